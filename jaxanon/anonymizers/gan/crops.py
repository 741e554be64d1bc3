"""From an image of any size to the generator's square, and back. No masked pixel comes through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from jaxanon.anonymizers.gan import masks

GREY = 128
"""What masked pixels are set to before anything else is done."""


@dataclass(frozen=True)
class Crop:
    """A square around a region; it may reach beyond the image.

    Attributes:
        top: first row of the square, in pixels of the image.
        left: first column of the square, in pixels of the image.
        side: side of the square, in pixels of the image.
    """

    top: int
    left: int
    side: int

    @classmethod
    def around(cls, box: tuple[slice, slice], shape: tuple[int, ...]) -> Crop:
        """The square in which the region's box has the share that it has in training.

        It is moved into the image where it fits, and is made smaller, down to the region's own
        box, where it is larger than the image.

        Args:
            box: rows and columns of the region's bounding box, in pixels.
            shape: height and width of the image, in pixels.
        """
        longest = max(each.stop - each.start for each in box)
        side = max(longest, min(round(longest / masks.USUAL), *shape[:2]))
        starts = []
        for each, length in zip(box, shape, strict=False):
            start = (each.start + each.stop - side) // 2
            starts.append(min(max(start, 0), length - side) if side <= length else start)
        return cls(starts[0], starts[1], side)

    def take(self, array: np.ndarray, beyond: int) -> np.ndarray:
        """The square cut out of an array `(H, W, ...)`, filled with `beyond` outside the image."""
        out = np.full((self.side, self.side, *array.shape[2:]), beyond, array.dtype)
        inside, within = self._overlap(array.shape)
        out[within] = array[inside]
        return out

    def put(self, array: np.ndarray, square: np.ndarray, parts: np.ndarray, part: int) -> None:
        """Write a square into an array, in one part of it only.

        Args:
            array: `(H, W, ...)`, changed in place.
            square: `(side, side, ...)`, what to write.
            parts: `(H, W)` int, the number of the connected part that each pixel belongs to.
            part: number of the part to write.
        """
        inside, within = self._overlap(array.shape)
        in_part = parts[inside] == part
        array[inside][in_part] = square[within][in_part]

    def _overlap(self, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """The part of the image that the square covers, and that part within the square."""
        inside, within = [], []
        for start, length in zip((self.top, self.left), shape[:2], strict=True):
            first, last = max(start, 0), min(start + self.side, length)
            inside.append(slice(first, last))
            within.append(slice(first - start, last - start))
        return (inside[0], inside[1]), (within[0], within[1])


def shrink(pixels: np.ndarray, mask: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Resample a square and its mask to the generator's size.

    A pixel that mixes with a masked one counts as masked.

    Args:
        pixels: `(side, side, 3)` uint8, constant under the mask.
        mask: `(side, side)` bool.
        size: side of the result, in pixels.

    Returns:
        `(size, size, 3)` in [0, 1] and `(size, size, 1)` of zeros and ones, float32.
    """
    small = Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR)
    share = Image.fromarray(mask.astype(np.float32)).resize((size, size), Image.Resampling.BILINEAR)
    hidden = (np.asarray(share) > 0)[..., None].astype(np.float32)
    return np.asarray(small, np.float32) / 255, hidden


def enlarge(picture: np.ndarray, side: int) -> np.ndarray:
    """Resample a picture `(size, size, 3)` in [0, 1] to `(side, side, 3)` uint8."""
    image = Image.fromarray(np.rint(picture * 255).astype(np.uint8))
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))
