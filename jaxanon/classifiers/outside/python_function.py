"""A function of the user's, in whatever framework, as a classifier."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon.classifiers.outside import preprocess
from jaxanon.classifiers.outside.classifier import AnswerError, Question
from jaxanon.classifiers.outside.naming import Named
from jaxanon.classifiers.outside.remembered import Remembered
from jaxanon.classifiers.preprocessing import look
from jaxanon.errors import UsageError

BATCH = 32
"""Images that the function gets at once."""


class PythonFunction:
    """`python:module:function`: called with a list of images, answers for each.

    The images are `(H, W, 3)` uint8 arrays of any sizes; with the option `preprocess`, one array
    `(n, size, size, 3)` uint8, resized and cropped. The answers are classes by number or name, or
    scores `(n, classes)`.

    Args:
        named: module and function, which is looked for in the working directory too; the options
            `classes` or `labels` tell how many classes there are.

    Raises:
        UsageError: when there is no such function.
    """

    sees_originals = True  # it runs here

    def __init__(self, named: Named) -> None:
        module, _, function = named.rest.partition(":")
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.append(here)  # and left there: the function may import as it runs
        try:
            found = getattr(import_module(module), function or "decide")
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise UsageError(f"{named.name} cannot be imported: {reason}") from error
        if not callable(found):
            raise UsageError(f"{named.name} is no function")
        self.name, self.known = named.name, named.known(named.rest)
        self._function, self._lock = found, threading.Lock()
        path = named.options.get("preprocess")
        self._config = preprocess.read(named.name, Path(path)) if path else None

    def remember(self, answers: Remembered | None) -> None:
        """Asking again costs nothing."""

    def answers(self, pictures: Sequence[Question]) -> Sequence[object]:
        """What the function says, called by one thread at a time."""
        said: list[object] = []
        for start in range(0, len(pictures), BATCH):
            part = [each.pixels for each in pictures[start : start + BATCH]]
            given: Any = part
            if self._config is not None:
                given = np.stack([look(image, self._config) for image in part])
            with self._lock:
                answers = list(self._function(given))
            if len(answers) != len(part):
                raise AnswerError(f"gave {len(answers)} answers for {len(part)} images")
            said += [_plain(answer) for answer in answers]
        return said


def _plain(answer: Any) -> object:
    """Numbers of NumPy, PyTorch and the like as Python's own; arrays as they are."""
    if isinstance(answer, str | int):
        return answer
    return answer.item() if getattr(answer, "shape", None) == () else answer
