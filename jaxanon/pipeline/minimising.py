"""Less to see: the smallest share of an image's change at which the sources are still sure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from jaxanon.adaptation.attempt import Adapted
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.pipeline.item import ImageState

log = logging.getLogger(__name__)
SHARES = 16
"""The change is made smaller in so many parts; a power of two, as it is found by halving."""
Image = Adapted[ImageState]
Look = Callable[[Sequence[Image]], list[Views | None]]
"""What the sources see of the files saved of some images; None where one could not be saved."""


class Minimiser:
    """Takes back what the sources do not need of a change, by bisection on the saved file.

    A source must still prefer its reference decision by `minimise_confidence` logits, or by as much
    as it does with the whole change, if that is less.

    Args:
        sources: the classifiers that were adapted to.
        settings: options of the loop: what is to be kept, and `minimise_confidence`: the larger
            that is, the more of the transfer to others is left.
        look: saves images, and reads them back.
    """

    def __init__(self, sources: Ensemble, settings: Settings, look: Look) -> None:
        self._sources, self._keep, self._look = sources, settings.keeping, look
        self._confidence = settings.minimise_confidence

    def __call__(self, images: Sequence[Image]) -> list[Image]:
        """The images with smaller changes; as they are where a source is not content with them."""
        whole = self._margins(images)
        enough = np.minimum(whole, self._confidence)
        small = np.zeros(len(images), int)  # of what share it is known that it is too small
        large = np.full(len(images), SHARES)
        open_ = (whole > 0).all(1)
        while open_.any():
            share = (small + large) // 2
            tried = [scaled(images[i], int(share[i])) for i in map(int, np.flatnonzero(open_))]
            margins = self._margins(tried)
            holds = ((margins > 0) & (margins >= enough[open_])).all(1)
            large[open_] = np.where(holds, share[open_], large[open_])
            small[open_] = np.where(holds, small[open_], share[open_])
            open_ &= large - small > 1
        if left := int((large == SHARES).sum()):
            log.info(
                "minimise: %d of %d images keep all of their change, as a source is sure by less "
                "than %g logits (minimise_confidence)", left, len(images), self._confidence,
            )  # fmt: skip
        return [scaled(image, int(part)) for image, part in zip(images, large, strict=True)]

    def _margins(self, images: Sequence[Image]) -> np.ndarray:
        """By how much each source prefers its reference decision, `(images, sources)`.

        Minus infinity of an image that could not be saved.
        """
        found = np.full((len(images), len(self._sources.names)), -np.inf)
        views = self._look(images)
        places = [place for place, seen in enumerate(views) if seen is not None]
        logits = self._sources.logits_from_views([seen for seen in views if seen is not None])
        for source, (rows, classifier) in enumerate(
            zip(logits, self._sources.classifiers, strict=True)
        ):
            scores = self._keep.scores(rows, classifier.config)
            for place, row in zip(places, scores, strict=True):
                wanted = np.asarray(images[place].job.problem.decisions)[source]
                found[place, source] = self._keep.margin(row, wanted)
        return found


def scaled(image: Image, share: int) -> Image:
    """An image with so many of the `SHARES` parts of its change."""
    if share == SHARES:
        return image
    levels = np.rint(image.levels * (share / SHARES)).astype(image.levels.dtype)
    return replace(image, levels=levels)
