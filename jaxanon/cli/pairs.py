"""Originals examined together with images that were made from them: what two commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jax.sharding import Mesh

from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError
from jaxanon.io.images import count_pixels
from jaxanon.io.inputs import InputImage
from jaxanon.io.pairs import Partners, decode_together
from jaxanon.pipeline.report import REPORT
from jaxanon.runtime import compilation, workers

Examined = TypeVar("Examined")
Result = TypeVar("Result")

Examine = Callable[[Sequence[str], Sequence[np.ndarray]], Examined]
"""Examines the pictures of one image, given their names and their uint8 pixels `(H, W, 3)`: the
original first, then one from each folder of partners. Raises ImageError for what is unusable."""


def report_beside(adapted: Path) -> Path | None:
    """Where the report of the run is that made the images of a folder; None where there is none.

    It lies beside them, or in the folder above, where they are one view of several.
    """
    place = adapted.resolve()
    above = [place.parent] if place.name.startswith("view-") else []
    reports = (folder / REPORT for folder in (place, *above))
    return next((report for report in reports if report.is_file()), None)


def names_of(role: str, run: Mapping[str, Any]) -> set[str]:
    """Names of the sources, oracles or targets of a run, by its report, or by an empty one."""
    return {row["name"] for row in run.get("classifiers", ()) if row["role"] == role}


def compiled_ensemble(classifiers: Sequence[Classifier], mesh: Mesh) -> Ensemble:
    """Classifiers on the devices of a mesh, their forward passes compiled, or read from a cache."""
    compilation.enable_compilation_cache()
    ensemble = Ensemble(classifiers, mesh=mesh)
    with compilation.gc_paused():
        ensemble.compile()
    return ensemble


def examine_pairs(
    originals: Sequence[InputImage],
    partners: Sequence[Partners],
    examine: Examine[Examined],
    collect: Callable[[Iterator[Examined]], Result],
    batch: int,
    *,
    quiet: bool,
) -> tuple[Result, list[str]]:
    """Examine each original with its partners, in threads and ahead of what collects the results.

    Args:
        originals: originals, in the order in which their results are collected.
        partners: for each folder of images made from them, what finds an original's partner there.
        examine: see `Examine`; called from several threads.
        collect: takes the results of all usable images, in order.
        batch: images that `collect` takes at once.
        quiet: whether to show neither progress nor errors.

    Returns:
        What `collect` returns, and one line per image that was unusable.
    """

    def look(original: InputImage) -> Examined | ImageError:
        try:
            group = [original, *(finder.find(original) for finder in partners)]
            pictures = decode_together(*group)
            return examine([image.name for image in group], pictures)
        except ImageError as error:
            return error

    def cost(original: InputImage) -> int:
        return count_pixels(original)

    failed: list[str] = []
    with closing(Progress(len(originals), quiet=quiet)) as progress, workers.pool() as threads:

        def usable() -> Iterator[Examined]:
            ahead = workers.ahead(look, originals, threads, 2 * batch, cost, workers.PIXELS_AT_ONCE)
            for examined in ahead:
                if isinstance(examined, ImageError):
                    failed.append(str(examined))
                    progress.error(str(examined))
                else:
                    yield examined
                progress.advance()

        return collect(usable()), failed
