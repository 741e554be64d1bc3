"""Originals examined together with images that were made from them: what two commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
from jax.sharding import Mesh

from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import PIXELS_AT_ONCE, Ensemble
from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError
from jaxanon.io import images
from jaxanon.io.files import InputFile
from jaxanon.io.pairs import Partners, decode_together
from jaxanon.runtime import compilation, workers

Examined = TypeVar("Examined")
Result = TypeVar("Result")

Examine = Callable[[Sequence[Path], Sequence[np.ndarray]], Examined]
"""Examines the pictures of one image, given their paths and their uint8 pixels `(H, W, 3)`: the
original first, then one from each folder of partners. Raises ImageError for what is unusable."""


def compiled_ensemble(classifiers: Sequence[Classifier], mesh: Mesh) -> Ensemble:
    """Classifiers on the devices of a mesh, their forward passes compiled, or read from a cache."""
    compilation.enable_compilation_cache()
    ensemble = Ensemble(classifiers, mesh=mesh)
    with compilation.gc_paused():
        ensemble.compile()
    return ensemble


def examine_pairs(
    originals: Sequence[InputFile],
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

    def look(original: InputFile) -> Examined | ImageError:
        try:
            files = [original, *(folder.find(original) for folder in partners)]
            pictures = decode_together(*files)
            return examine([file.path for file in files], pictures)
        except ImageError as error:
            return error

    def cost(original: InputFile) -> int:
        return images.count_pixels(original.path)

    failed: list[str] = []
    with closing(Progress(len(originals), quiet=quiet)) as progress, workers.pool() as threads:

        def usable() -> Iterator[Examined]:
            ahead = workers.ahead(look, originals, threads, 2 * batch, cost, PIXELS_AT_ONCE)
            for examined in ahead:
                if isinstance(examined, ImageError):
                    failed.append(str(examined))
                    progress.error(str(examined))
                else:
                    yield examined
                progress.advance()

        return collect(usable()), failed
