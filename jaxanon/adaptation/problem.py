"""One image to adapt, as its owner states it (`Job`) and as the compiled loop sees it."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxanon.adaptation.canvas import CANVAS, Canvas
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.errors import UsageError
from jaxanon.runtime.seeds import content_seed

UNCONDITIONAL = 6
"""Of the final steps, one in so many is unconditional."""
LAYOUT = (CANVAS, 3, CANVAS)
"""Of arrays on the canvas, on the device: rows, channels, columns."""


class Problem(NamedTuple):
    """What the loop knows of one image. Shapes depend on the classifiers alone; `M` sources.

    Pixels and bounds are bytes, since this is what travels to the device for each image. On the
    device the canvas is laid out as rows, channels, columns: so both of its products with the
    matrices are plain ones.

    Attributes:
        views: M arrays `(size, size, 3)` uint8, of the image without perturbation.
        rows, columns: M matrices each, `(size, canvas)`; see `jaxanon.adaptation.canvas`.
        below, above: `(canvas, 3, canvas)` uint8, how far each cell can move, in levels.
        decisions: `(M,)` int32.
        soft_labels: M arrays `(classes,)` float32, the sources' probabilities on the original,
            where the loss asks for them; else empty.
        confidence: logit distance at which a source counts as convinced; scalar.
        patience: random transforms in a row that must convince; int32 scalar.
        steps: most steps from here on; int32 scalar.
        final_steps: of these, the last so many look at the image without random transforms, unless
            that convinces the sources when they begin; int32 scalar.
        unconditional_steps: of these, the last so many do so in any case; int32 scalar.
        seed: of this image's random transforms; uint32 scalar.
    """

    views: tuple[ArrayLike, ...]
    rows: tuple[ArrayLike, ...]
    columns: tuple[ArrayLike, ...]
    below: ArrayLike
    above: ArrayLike
    decisions: ArrayLike
    soft_labels: tuple[ArrayLike, ...]
    confidence: ArrayLike
    patience: ArrayLike
    steps: ArrayLike
    final_steps: ArrayLike
    unconditional_steps: ArrayLike
    seed: ArrayLike


@dataclass(frozen=True)
class Job:
    """An image to adapt.

    Attributes:
        key: names the image for the caller.
        pixels: anonymized, `(H, W, 3)` uint8.
        canvas: the grid on which its perturbation lives.
        problem: the same as the loop sees it.
    """

    key: Hashable
    pixels: np.ndarray
    canvas: Canvas
    problem: Problem

    @property
    def fixed(self) -> bool:
        """Whether no pixel may change: where nothing is private, no step is worth making."""
        return not (np.any(self.problem.below) or np.any(self.problem.above))


def prepare(
    key: Hashable,
    pixels: np.ndarray,
    decisions: np.ndarray,
    sources: Ensemble,
    settings: Settings,
    *,
    mask: np.ndarray | None = None,
    views: Views | None = None,
    soft_labels: Sequence[np.ndarray] | None = None,
) -> Job:
    """State an image in arrays, on the host.

    Args:
        key: names it for the caller.
        pixels: anonymized, `(H, W, 3)` uint8.
        decisions: `(sources,)` int, each source's reference decision.
        sources: the classifiers to convince.
        settings: bound, confidence, steps and seed.
        mask: `(H, W)` bool, where pixels may change; None is everywhere.
        views: what the sources see of `pixels`, if that is known already.
        soft_labels: per source `(classes,)`, its probabilities on the original, for the loss
            `soft`.

    Raises:
        UsageError: when the loss is `soft` and there are no soft labels.
    """
    if settings.loss == "soft" and soft_labels is None:
        raise UsageError("the loss soft needs the sources' probabilities on the originals")
    canvas = Canvas(pixels.shape[0], pixels.shape[1])
    matrices = [canvas.matrices(classifier.config) for classifier in sources.classifiers]
    below, above = canvas.bounds(pixels, mask, settings.eps)
    steps = settings.steps_to_verification(settings.steps)
    final_steps, unconditional_steps = final_steps_of(settings, steps)
    problem = Problem(
        views=sources.look(pixels) if views is None else views,
        rows=tuple(rows for rows, _ in matrices),
        columns=tuple(columns for _, columns in matrices),
        below=below.swapaxes(1, 2),
        above=above.swapaxes(1, 2),
        decisions=np.asarray(decisions, np.int32),
        soft_labels=tuple(
            np.asarray(
                soft_labels[i] if soft_labels and settings.loss == "soft" else (), np.float32
            )
            for i in range(len(matrices))
        ),
        confidence=np.float32(settings.confidence),
        patience=np.int32(min(settings.patience, 2**31 - 1)),
        steps=np.int32(steps),
        final_steps=final_steps,
        unconditional_steps=unconditional_steps,
        seed=content_seed(pixels, settings.seed),
    )
    return Job(key, pixels, canvas, problem)


def final_steps_of(settings: Settings, steps: int) -> tuple[np.int32, np.int32]:
    """How many of so many steps are final ones, and how many of these unconditional."""
    final = round(settings.final_fraction * steps)
    return np.int32(final), np.int32(math.ceil(final / UNCONDITIONAL))


def blank(sources: Ensemble, settings: Settings) -> Problem:
    """A problem of zeros, for a slot that holds no image."""
    soft = settings.loss == "soft"
    sizes = [classifier.config.input_size for classifier in sources.classifiers]
    matrices = tuple(np.zeros((size, CANVAS), np.float32) for size in sizes)
    room = np.zeros(LAYOUT, np.uint8)
    return Problem(
        views=tuple(np.zeros((size, size, 3), np.uint8) for size in sizes),
        rows=matrices,
        columns=matrices,
        below=room,
        above=room,
        decisions=np.zeros(len(sizes), np.int32),
        soft_labels=tuple(
            np.zeros(classifier.config.num_classes if soft else 0, np.float32)
            for classifier in sources.classifiers
        ),
        confidence=np.float32(0),
        patience=np.int32(1),
        steps=np.int32(0),
        final_steps=np.int32(0),
        unconditional_steps=np.int32(0),
        seed=np.uint32(0),
    )
