"""A classifier in ONNX's format, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon.classifiers.outside import preprocess
from jaxanon.classifiers.outside.classifier import Question
from jaxanon.classifiers.outside.naming import Named
from jaxanon.classifiers.outside.remembered import Remembered
from jaxanon.classifiers.preprocessing import look
from jaxanon.errors import UsageError

BATCH = 32
"""Images at once, where the file does not fix that."""


class OnnxFile:
    """`onnx:FILE`: one input of images, whose first output has the scores.

    The images are `(n, 3, size, size)` or `(n, size, size, 3)`, by the shape that the file states:
    floating point numbers, from which the mean is subtracted and which are divided by the standard
    deviation, or uint8 as they are.

    Args:
        named: the file; preprocessing from `FILE` with the ending `.json`, or the option
            `preprocess`.

    Raises:
        UsageError: when it cannot be read, or is of another form.
    """

    sees_originals = True  # it runs here

    def __init__(self, named: Named) -> None:
        import onnxruntime

        path = Path(named.rest).expanduser()
        if not path.is_file():
            raise UsageError(f"{named.name}: there is no file {path}")
        own = named.options.get("preprocess")
        beside = Path(own) if own else path.with_suffix(".json")
        self._config = preprocess.read(named.name, beside)
        try:
            providers = onnxruntime.get_available_providers()
            self._session = onnxruntime.InferenceSession(str(path), providers=providers)
        except Exception as error:
            raise UsageError(
                f"{named.name} is no model that onnxruntime can run: {error}"
            ) from error
        if len(self._session.get_inputs()) != 1:
            raise UsageError(f"{named.name} has several inputs; it must have one, the images")
        given, scores = self._session.get_inputs()[0], self._session.get_outputs()[0]
        size = self._config.input_size
        self._channels_first = _channels_first(named.name, given.shape, size)
        self._input, self._type = given.name, _type(named.name, given.type)
        self._fixed = given.shape[0] if isinstance(given.shape[0], int) else None
        number = scores.shape[-1] if isinstance(scores.shape[-1], int) else None
        self.name = named.name
        known = named.known(str(path), number)
        self.known = replace(known, thresholds=self._config.thresholds)
        if len(self._config.thresholds or (0.5,)) not in (1, known.num_classes):
            raise UsageError(
                f"{named.name} has {known.num_classes} classes, but {beside} has "
                f"{len(self._config.thresholds or ())} thresholds; give one for each, or one in all"
            )

    def remember(self, answers: Remembered | None) -> None:
        """Asking again costs nothing."""

    def answers(self, pictures: Sequence[Question]) -> Sequence[object]:
        """Scores of each picture."""
        said: list[object] = []
        batch = self._fixed or BATCH
        for start in range(0, len(pictures), batch):
            part = np.stack([look(p.pixels, self._config) for p in pictures[start : start + batch]])
            count = len(part)
            if self._fixed:
                part = np.concatenate([part, np.zeros((batch - count, *part.shape[1:]), np.uint8)])
            (scores, *_) = self._session.run(None, {self._input: self._prepared(part)})
            said += list(np.asarray(scores)[:count])
        return said

    def _prepared(self, views: np.ndarray) -> np.ndarray:
        """Views `(n, size, size, 3)` uint8 as the file wants them."""
        given = views
        if self._type != np.uint8:
            mean = np.asarray(self._config.mean, np.float32)
            std = np.asarray(self._config.std, np.float32)
            given = ((views.astype(np.float32) / 255 - mean) / std).astype(self._type)
        if self._channels_first:
            given = given.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(given)


def _channels_first(name: str, shape: Sequence[Any], size: int) -> bool:
    """Whether the channels come before rows and columns.

    Raises:
        UsageError: when the shape is not one of images of this size.
    """
    for channel, rows in ((1, 2), (3, 1)):
        sides = [side for side in shape[rows : rows + 2] if isinstance(side, int)]
        if len(shape) == 4 and shape[channel] == 3 and all(side == size for side in sides):
            return channel == 1
    raise UsageError(
        f"{name}: its input has shape {list(shape)}; with input_size {size} it must be "
        f"(n, 3, {size}, {size}) or (n, {size}, {size}, 3)"
    )


def _type(name: str, text: str) -> type[np.generic]:
    types: dict[str, type[np.generic]] = {
        "tensor(float)": np.float32,
        "tensor(float16)": np.float16,
        "tensor(double)": np.float64,
        "tensor(uint8)": np.uint8,
    }
    if text not in types:
        raise UsageError(f"{name}: its input is {text}; it must be one of {', '.join(types)}")
    return types[text]
