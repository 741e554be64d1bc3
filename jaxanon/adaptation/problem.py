"""One image to adapt: as its owner states it (`Job`), as the compiled loop sees it (`Problem`)."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from jax.typing import ArrayLike

from jaxanon.adaptation.canvas import CANVAS, Canvas
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.classifiers.preprocessing import distinct_views
from jaxanon.runtime.arrays import is_grey
from jaxanon.runtime.seeds import content_seed

UNCONDITIONAL = 6
"""Of the final steps, one in so many is made whatever the sources decided before."""
LAYOUT = (CANVAS, 3, CANVAS)
"""Shape of arrays on the canvas, on the device: rows, channels, columns."""

K = TypeVar("K", bound=Hashable)
"""What names an image for the caller; it comes back with the adapted image."""


class Problem(NamedTuple):
    """What the loop knows of one image, for `M` sources. Shapes depend on the sources alone.

    Sources that resize and crop alike share one of the `V` distinct views
    (`jaxanon.classifiers.preprocessing.distinct_views`).

    Pixels and bounds are bytes, since this is what travels to the device for each image. On the
    device the canvas is laid out as rows, channels, columns: so both of its products with the
    matrices are plain ones.

    Attributes:
        views: what the sources see of the image without perturbation; V arrays
            `(size, size, 3)` uint8.
        rows, columns: how each view depends on the perturbation, V matrices `(size, canvas)`
            float32 each; see `jaxanon.adaptation.canvas`.
        below, above: how far each cell can be darkened and brightened, in levels (1/255);
            `(canvas, 3, canvas)` uint8 each.
        decisions: the decision that each source is to keep, avoid or reach; `(M,)` int32, or
            `(M, ...)`, where `Settings.keep` asks for more than the largest class.
        soft_labels: M arrays `(classes,)` float32, the sources' probabilities on the original,
            where the loss asks for them; else empty.
        confidence: logit distance at which a source counts as confident; float32 scalar.
        patience: random transforms in a row in which all sources must be confident; int32 scalar.
        steps: most gradient steps until the next verification; int32 scalar.
        final_steps: the last so many steps look at the image without random transforms, unless
            that makes the sources confident when they begin; int32 scalar.
        unconditional_steps: the last so many steps look at the image without random transforms in
            any case; int32 scalar.
        seed: seed of this image's random transforms; uint32 scalar.
        one_channel: whether all channels of the perturbation are to be the same; bool scalar.
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
    one_channel: ArrayLike


@dataclass(frozen=True)
class Job(Generic[K]):
    """An image to adapt.

    Attributes:
        key: names the image for the caller, who finds it in what is made of it.
        pixels: the anonymized image, `(H, W, 3)` uint8.
        canvas: the grid on which the perturbation of the image lives.
        problem: the image as the compiled loop sees it.
    """

    key: K
    pixels: np.ndarray
    canvas: Canvas
    problem: Problem

    @property
    def one_channel(self) -> bool:
        """Whether the image is grey, and to stay so."""
        return bool(self.problem.one_channel)

    @property
    def fixed(self) -> bool:
        """Whether no pixel may change: where nothing is private, no step is worth making."""
        return not (np.any(self.problem.below) or np.any(self.problem.above))

    def with_soft_labels(self, soft_labels: Sequence[np.ndarray]) -> Job[K]:
        """This image for the loss `soft`, which is given more of the original than decisions.

        Args:
            soft_labels: per source `(classes,)`, its probabilities on the original.
        """
        labels = tuple(np.asarray(label, np.float32) for label in soft_labels)
        return replace(self, problem=self.problem._replace(soft_labels=labels))


def prepare(
    key: K,
    pixels: np.ndarray,
    decisions: np.ndarray,
    sources: Ensemble,
    settings: Settings,
    *,
    mask: np.ndarray | None = None,
    views: Views | None = None,
) -> Job[K]:
    """State an image in arrays, on the host, for the loop.

    Args:
        key: names the image for the caller.
        pixels: the anonymized image, `(H, W, 3)` uint8.
        decisions: `(sources,)` int, the decision that each source is to keep, avoid or reach, or
            `(sources, ...)`, see `Settings.keeping`.
        sources: the classifiers to adapt to.
        settings: options of the loop.
        mask: `(H, W)` bool, where pixels may change; None is everywhere.
        views: what the sources, and any classifiers after them, see of `pixels`, if that is known
            already.
    """
    canvas = Canvas(pixels.shape[0], pixels.shape[1])
    configs = [classifier.config for classifier in sources.classifiers]
    first, _ = distinct_views(configs)
    matrices = [canvas.matrices(configs[i]) for i in first]
    views = sources.look(pixels) if views is None else views
    one_channel = settings.keep_grey and is_grey(pixels)
    # What is to stay grey changes in luma alone, so as much as green may.
    largest = settings.bounds.min() if one_channel else settings.bounds
    below, above = canvas.bounds(pixels, mask, largest)
    steps = settings.steps_to_verification(settings.steps)
    final_steps, unconditional_steps = final_steps_of(settings, steps)
    problem = Problem(
        views=tuple(views[i] for i in first),
        rows=tuple(rows for rows, _ in matrices),
        columns=tuple(columns for _, columns in matrices),
        below=below.swapaxes(1, 2),
        above=above.swapaxes(1, 2),
        decisions=np.asarray(decisions, np.int32),
        soft_labels=(np.zeros(0, np.float32),) * len(configs),
        confidence=np.float32(settings.confidence),
        patience=np.int32(min(settings.patience, 2**31 - 1)),
        steps=np.int32(steps),
        final_steps=final_steps,
        unconditional_steps=unconditional_steps,
        seed=content_seed(pixels, settings.seed),
        one_channel=np.bool_(one_channel),
    )
    return Job(key, pixels, canvas, problem)


def final_steps_of(settings: Settings, steps: int) -> tuple[np.int32, np.int32]:
    """How many of `steps` steps are final ones, and how many of these unconditional; int32."""
    final = round(settings.final_fraction * steps)
    return np.int32(final), np.int32(math.ceil(final / UNCONDITIONAL))


def blank(sources: Ensemble, settings: Settings) -> Problem:
    """A problem of zeros, for a slot that holds no image."""
    configs = [classifier.config for classifier in sources.classifiers]
    sizes = [configs[i].input_size for i in distinct_views(configs)[0]]
    matrices = tuple(np.zeros((size, CANVAS), np.float32) for size in sizes)
    no_room = np.zeros(LAYOUT, np.uint8)
    return Problem(
        views=tuple(np.zeros((size, size, 3), np.uint8) for size in sizes),
        rows=matrices,
        columns=matrices,
        below=no_room,
        above=no_room,
        decisions=np.zeros((len(configs), *settings.keeping.shape(configs)), np.int32),
        soft_labels=tuple(
            np.zeros(config.num_classes if settings.needs_soft_labels else 0, np.float32)
            for config in configs
        ),
        confidence=np.float32(0),
        patience=np.int32(1),
        steps=np.int32(0),
        final_steps=np.int32(0),
        unconditional_steps=np.int32(0),
        seed=np.uint32(0),
        one_channel=np.bool_(False),
    )
