"""What an anonymizer chooses before the first image of a run, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from jaxanon.anonymizers import ANONYMIZERS, Anonymizer
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.images import decode
from jaxanon.io.inputs import InputImage
from jaxanon.pipeline.report import write_json


def prepare(
    anonymizer: Anonymizer,
    sources: Ensemble,
    inputs: Iterable[InputImage],
    output: Path,
    *,
    resume: bool,
) -> None:
    """Let an anonymizer choose what it must, or take over what it chose before.

    Its state is kept in the output folder, so that a resumed run has the same one.

    Args:
        anonymizer: the run's.
        sources: the classifiers that images will be adapted to.
        inputs: the images of the run; those that cannot be read are left out.
        output: folder of the run.
        resume: whether an earlier run goes on.

    Raises:
        UsageError: when what the earlier run kept cannot be used.
    """
    if anonymizer.state_file is None:
        return
    kept = output / anonymizer.state_file
    if resume and kept.is_file():
        try:
            state: object = json.loads(kept.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{kept}: unreadable ({error!r}); give --overwrite") from error
        anonymizer.restore(state)
    else:
        anonymizer.prepare(sources, _readable(inputs))
    write_json(kept, anonymizer.state() or {})


def state_files(output: Path, method: str | None = None) -> list[Path]:
    """Where the state of one anonymizer lies in an output folder, or of any where None."""
    kinds = ANONYMIZERS.values() if method is None else [ANONYMIZERS[method]]
    return [output / kind.state_file for kind in kinds if kind.state_file]


def _readable(inputs: Iterable[InputImage]) -> Iterator[np.ndarray]:
    """The pixels of each image that can be read, one at a time."""
    for image in inputs:
        try:
            yield decode(image)
        except (ImageError, MemoryError):
            continue  # the run names it when its turn comes
