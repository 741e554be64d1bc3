"""What an anonymizer chooses before the first image of a run, kept among the run's results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import PurePath

import numpy as np

from jaxanon.anonymizers import ANONYMIZERS, Anonymizer
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.images import decode
from jaxanon.io.inputs import InputImage
from jaxanon.io.results import ResultPlace, ResultSink, write_result


def prepare(
    anonymizer: Anonymizer,
    sources: Ensemble,
    inputs: Iterable[InputImage],
    results: ResultSink,
    *,
    resume: bool,
) -> None:
    """Let an anonymizer choose what it must, or take over what it chose before.

    Args:
        anonymizer: the run's.
        sources: the classifiers that images will be adapted to.
        inputs: the images of the run; those that cannot be read are left out.
        results: where the run's results go; the anonymizer's state is kept among them, so that a
            resumed run has the same one.
        resume: whether an earlier run goes on.

    Raises:
        UsageError: when what the earlier run kept cannot be used.
    """
    if anonymizer.state_file is None:
        return
    place = results.place(PurePath(anonymizer.state_file), overwrite=True)
    if resume and place.exists():
        _restore(anonymizer, place)
    else:
        anonymizer.prepare(sources, _readable(inputs))
    state = json.dumps(anonymizer.state() or {}, indent=1, allow_nan=False)
    write_result(place, f"{state}\n".encode())


def state_files(method: str | None = None) -> list[str]:
    """Names of the files that keep the state of one anonymizer, or of any where None."""
    kinds = ANONYMIZERS.values() if method is None else [ANONYMIZERS[method]]
    return [kind.state_file for kind in kinds if kind.state_file]


def _restore(anonymizer: Anonymizer, place: ResultPlace) -> None:
    try:
        with place.open() as file:
            anonymizer.restore(json.load(file))
    except UsageError as error:
        raise UsageError(f"{place.location}: {error}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{place.location}: unreadable ({error!r}); give --overwrite") from error


def _readable(inputs: Iterable[InputImage]) -> Iterator[np.ndarray]:
    """The pixels of each image that can be read, one at a time."""
    for image in inputs:
        try:
            yield decode(image)
        except (ImageError, MemoryError):
            continue  # the run names it when its turn comes
