"""One image to adapt, as its owner states it (`Job`) and as the compiled loop sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxanon.adaptation.settings import Settings
from jaxanon.ensemble import Ensemble
from jaxanon.view import CANVAS, Canvas, look


@dataclass(frozen=True)
class Job:
    """An image to adapt.

    Attributes:
        key: names the image for the caller.
        pixels: anonymized, `(H, W, 3)` uint8.
        decisions: `(sources,)` int, each source's reference decision.
        mask: `(H, W)` bool, where pixels may change; None is everywhere.
    """

    key: Hashable
    pixels: np.ndarray
    decisions: np.ndarray
    mask: np.ndarray | None = None

    @property
    def canvas(self) -> Canvas:
        """The grid on which this image's perturbation lives."""
        return Canvas(self.pixels.shape[0], self.pixels.shape[1])


class Problem(NamedTuple):
    """What the loop knows of one image. Shapes depend on the classifiers alone; `M` sources.

    Attributes:
        views: M arrays `(size, size, 3)` float32 in [0, 1], of the image without perturbation.
        rows, columns: M matrices each, `(size, canvas)`; see `jaxanon.view`.
        lower, upper: `(canvas, canvas, 3)`, bounds of the perturbation.
        decisions: `(M,)` int32.
        margin: logit distance at which a source counts as convinced; scalar.
        steps: most steps from here on; int32 scalar.
        seed: of this image's random views; uint32 scalar.
    """

    views: tuple[ArrayLike, ...]
    rows: tuple[ArrayLike, ...]
    columns: tuple[ArrayLike, ...]
    lower: ArrayLike
    upper: ArrayLike
    decisions: ArrayLike
    margin: ArrayLike
    steps: ArrayLike
    seed: ArrayLike


def prepare(job: Job, sources: Ensemble, settings: Settings, margin: float, steps: int) -> Problem:
    """State a job in arrays, on the host: a margin to reach, within so many steps."""
    configs = [classifier.config for classifier in sources.classifiers]
    matrices = [job.canvas.matrices(config) for config in configs]
    lower, upper = job.canvas.bounds(job.pixels, job.mask, settings.eps)
    return Problem(
        views=tuple(look(job.pixels, config).astype(np.float32) / 255 for config in configs),
        rows=tuple(rows for rows, _ in matrices),
        columns=tuple(columns for _, columns in matrices),
        lower=lower,
        upper=upper,
        decisions=np.asarray(job.decisions, np.int32),
        margin=np.float32(margin),
        steps=np.int32(steps),
        seed=_seed(job.pixels, settings.seed),
    )


def blank(sources: Ensemble) -> Problem:
    """A problem of zeros, for a slot that holds no image."""
    sizes = [classifier.config.input_size for classifier in sources.classifiers]
    matrices = tuple(np.zeros((size, CANVAS), np.float32) for size in sizes)
    bound = np.zeros((CANVAS, CANVAS, 3), np.float32)
    return Problem(
        views=tuple(np.zeros((size, size, 3), np.float32) for size in sizes),
        rows=matrices,
        columns=matrices,
        lower=bound,
        upper=bound,
        decisions=np.zeros(len(sizes), np.int32),
        margin=np.float32(0),
        steps=np.int32(0),
        seed=np.uint32(0),
    )


def _seed(pixels: np.ndarray, seed: int) -> np.uint32:
    """From the image's content and the run's seed: never from its place in a batch."""
    digest = hashlib.sha256(seed.to_bytes(8, "little"))
    digest.update(repr(pixels.shape).encode())
    digest.update(pixels.tobytes())
    return np.uint32(int.from_bytes(digest.digest()[:4], "little"))
