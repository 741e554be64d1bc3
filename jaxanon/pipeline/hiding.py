"""Whether what is private was hidden: in the anonymized image, and in the file that is saved.

Of the original no pixel is kept, but a number for each block of 8 by 8 pixels: made with random
factors that are drawn anew by every process and never leave it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from jaxanon.errors import ImageError
from jaxanon.regions.region import Region

BLOCK = 8
"""Side of a block, in pixels."""
LEAST_HIDDEN = 1e-4
"""Share of an image's pixels that must have changed, where something is to be hidden in it."""
ROUGH, ROUGH_PLACES = 12, 8
"""A block has texture where brightness bends by so many levels (second difference) so often."""

_FACTORS = np.frombuffer(os.urandom(BLOCK * 3 * 8), np.uint64).reshape(BLOCK, 3) | np.uint64(1)


@dataclass(frozen=True)
class PrivateBlocks:
    """Tells whether blocks of an original have survived, without holding the original.

    Attributes:
        start: row and column of the first block, in pixels.
        numbers: one per block, `(rows, columns)` uint64, equal where blocks are.
        watched: `(rows, columns)` bool, the private blocks with texture.
    """

    start: tuple[int, int]
    numbers: np.ndarray
    watched: np.ndarray

    @classmethod
    def of(cls, original: np.ndarray, region: Region) -> PrivateBlocks:
        """The blocks of an original, `(H, W, 3)` uint8, that are private as a whole.

        The grid begins where the annotated area does; what lies flat or slopes evenly would look
        the same after most anonymizers, and is not watched.
        """
        area = region.mask if region.core is None else region.core
        if area is None:
            area = np.ones(original.shape[:2], bool)
        rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
        start = (int(rows[0]), int(columns[0])) if rows.size else (0, 0)
        private = _blocks(area, start).all((1, 3))
        watched = private & _textured(original, start)
        return cls(start, _numbers(original, start), watched)

    def survivors(self, image: np.ndarray) -> int:
        """How many of them are in an image `(H, W, 3)` uint8 of the same size, at their places."""
        if not self.watched.any():
            return 0
        return int((self.watched & (_numbers(image, self.start) == self.numbers)).sum())


@dataclass(frozen=True)
class Hiding:
    """What was private in an image, and whether it was hidden.

    Attributes:
        private: share of the image's pixels that are private, 0 to 1.
        changed: share of the image's pixels that the anonymizer changed, 0 to 1.
        blocks: the private blocks of the original.
    """

    private: float
    changed: float
    blocks: PrivateBlocks

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
        changed = float((original != anonymized).any(2).mean())
        if changed < LEAST_HIDDEN and not (may_be_empty or region.nothing):
            raise ImageError(
                f"next to nothing was hidden: {100 * private:.2g} % of its pixels are private, "
                f"{100 * changed:.2g} % were changed; check what is said of it, or give "
                "--allow-empty if nothing is private in it"
            )
        hiding = cls(private, changed, PrivateBlocks.of(original, region))
        if why := hiding.objection(anonymized):
            raise ImageError(why)
        return hiding

    @classmethod
    def by_others(
        cls, original: np.ndarray, anonymized: np.ndarray, *, may_be_empty: bool
    ) -> Hiding:
        """Compare an original with what another tool made of it, where nobody says what is private.

        Whatever the tool has changed counts as private.

        Raises:
            ImageError: when that is next to nothing.
        """
        changed = (original != anonymized).any(2)
        return cls.checked(
            original, anonymized, Region(changed, changed), may_be_empty=may_be_empty
        )

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


def _blocks(array: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """Cut `(H, W)` into `(rows, 8, columns, 8)`; what is left over at the edges is left out."""
    part = array[start[0] :, start[1] :]
    rows, columns = part.shape[0] // BLOCK, part.shape[1] // BLOCK
    part = part[: rows * BLOCK, : columns * BLOCK]
    return part.reshape(rows, BLOCK, columns, BLOCK)


def _textured(original: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """Which blocks are neither flat nor an even slope in themselves: `(rows, columns)` bool."""
    grey = _blocks(original[..., 1].astype(np.int16), start)
    across = grey[..., :-2] - 2 * grey[..., 1:-1] + grey[..., 2:]
    down = grey[:, :-2] - 2 * grey[:, 1:-1] + grey[:, 2:]
    places = [(np.abs(bend) >= ROUGH).sum((1, 3)) for bend in (across, down)]
    return np.asarray(sum(places) >= ROUGH_PLACES)


def _numbers(image: np.ndarray, start: tuple[int, int]) -> np.ndarray:
    """A number per block that differs where blocks do: `(rows, columns)` uint64."""
    part = image[start[0] :, start[1] :]
    rows, columns = part.shape[0] // BLOCK, part.shape[1] // BLOCK
    part = np.ascontiguousarray(part[: rows * BLOCK, : columns * BLOCK])
    # Eight pixels of a row, 24 bytes, are three words; sums and products wrap around.
    words = part.reshape(rows, BLOCK, columns, 3 * BLOCK).view(np.uint64)
    with np.errstate(over="ignore"):
        return np.asarray(np.einsum("rbcw,bw->rc", words, _FACTORS))
