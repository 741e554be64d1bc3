"""Whether what is private was hidden: in the anonymized image, and in the file that is saved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from jaxanon.errors import ImageError
from jaxanon.pipeline.blocks import BLOCK, PrivateBlocks, cut, lost, pixels_of, textured
from jaxanon.regions.region import Region

LEAST_HIDDEN = 1e-4
"""Share of an image's pixels that must have changed, where something is to be hidden in it."""
LEAST_LOST, ENOUGH = 0.1, 4
"""Share of a private area's blocks that must have lost their texture, where so many have some."""


def is_untouched(changed: float | None) -> bool:
    """Whether an image of which this share was changed shows its original: as good as nothing."""
    return changed is None or changed < LEAST_HIDDEN


@dataclass(frozen=True)
class Hiding:
    """What was private in an image, and whether it was hidden.

    Attributes:
        private: share of the image's pixels that are private, 0 to 1.
        changed: share of the image's pixels that the anonymizer changed, 0 to 1.
        blocks: the private blocks of the original.
        note: what is to be said of an image in which next to nothing was hidden, and may be.
    """

    private: float
    changed: float
    blocks: PrivateBlocks
    note: str | None = None

    @classmethod
    def checked(
        cls, original: np.ndarray, anonymized: np.ndarray, region: Region, *, may_be_empty: bool
    ) -> Hiding:
        """Compare an original with its anonymized image.

        Args:
            original: `(H, W, 3)` uint8.
            anonymized: `(H, W, 3)` uint8.
            region: what is private in the original.
            may_be_empty: whether it is fine where nothing is hidden, as nothing was asked for.

        Raises:
            ImageError: when next to nothing was hidden though the region does not say that there is
                nothing private; or when private parts look as they did.
        """
        private = 1.0 if region.mask is None else float(region.mask.mean())
        red, green, blue = np.moveaxis(original != anonymized, 2, 0)
        changed = float((red | green | blue).mean())
        note = None
        if is_untouched(changed) and not region.nothing:
            note = (
                f"next to nothing was hidden: {100 * private:.2g} % of its pixels are private, "
                f"{100 * changed:.2g} % were changed"
            )
            if not may_be_empty:
                raise ImageError(
                    f"{note}; check what is said of it, or give --allow-empty if nothing is "
                    "private in it"
                )
        hiding = cls(private, changed, PrivateBlocks.of(original, region), note)
        if why := hiding.objection(anonymized):
            raise ImageError(why)
        return hiding

    @classmethod
    def by_others(
        cls, original: np.ndarray, anonymized: np.ndarray, region: Region, *, may_be_empty: bool
    ) -> Hiding:
        """Compare an original with what another tool made of it.

        Such a tool may have encoded all of the picture anew, which changes nearly every pixel and
        hides nothing: what counts is lost texture. Where nobody says what is private, that is where
        texture was lost.

        Args:
            original: `(H, W, 3)` uint8.
            anonymized: `(H, W, 3)` uint8.
            region: what is private in the original; without a mask, that is not known.
            may_be_empty: whether it is fine where nothing is hidden.

        Raises:
            ImageError: as for `checked`; and when a private area still has its texture.
        """
        if region.mask is None:
            area = _lost_area(original, anonymized)
            found = Region(area, area)
            if area.mean() < LEAST_HIDDEN:  # whatever else has changed
                return cls.checked(original, original, found, may_be_empty=may_be_empty)
            return cls.checked(original, anonymized, found, may_be_empty=may_be_empty)
        for name, area in _areas(region):
            if not may_be_empty and _still_there(original, anonymized, area):
                raise ImageError(
                    f"{name} looks as in the original: the tool has not hidden it; hide it, or "
                    "give --allow-empty if nothing is private there"
                )
        return cls.checked(original, anonymized, region, may_be_empty=may_be_empty)

    def objection(self, image: np.ndarray) -> str | None:
        """Why an image made from the original must not be given away; None if it may.

        Args:
            image: `(H, W, 3)` uint8, of the original's size.
        """
        left = self.blocks.survivors(image)
        if not left:
            return None
        blocks = "1 block" if left == 1 else f"{left} blocks"
        return (
            f"{blocks} of {BLOCK}x{BLOCK} private pixels are still as in the original; hide more, "
            "such as by a higher --strength"
        )


def _lost_area(original: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Where an image has lost the texture of the original, `(H, W)` bool.

    In an original nearly without texture, all that differs.
    """
    if textured(original, (0, 0)).sum() < ENOUGH:
        return np.asarray((original != image).any(2))
    # Coding loses the texture of a block here and there, but not of four together.
    together = ndimage.binary_opening(lost(original, image, (0, 0)), np.ones((2, 2)))
    return pixels_of(together, original.shape, (0, 0))


def _areas(region: Region) -> Iterator[tuple[str, np.ndarray]]:
    """The private areas of a region with a mask: a name, and its pixels `(H, W)` bool, for each."""
    whole = region.mask if region.core is None else region.core
    assert whole is not None
    if region.boxes is None:
        yield "what is private", whole
        return
    for box in region.boxes:
        x0, y0, x1, y1 = (round(edge) for edge in box)
        area = np.zeros_like(whole)
        area[y0:y1, x0:x1] = whole[y0:y1, x0:x1]
        yield f"the box ({x0}, {y0}, {x1}, {y1})", area


def _still_there(original: np.ndarray, image: np.ndarray, area: np.ndarray) -> bool:
    """Whether next to no block of an area has lost its texture, of enough that have some."""
    rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
    if not rows.size:
        return False
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    before, after = original[window], image[window]
    inside = cut(area[window], (0, 0)).all((1, 3)) & textured(before, (0, 0))
    gone = inside & lost(before, after, (0, 0))
    return bool(inside.sum() >= ENOUGH and gone.sum() < LEAST_LOST * inside.sum())
