"""The square grid of cells on which a perturbation lives, and how it reaches what classifiers see.

It is laid over the centred square of side min(H, W), to which every centre crop is confined (but
for the reach of the resize filter, which the matrices respect), and each pixel of the square takes
the value of one cell. That choice makes the loop's model of the saved file exact:

- a whole number of 1/255 in a cell is a whole number in every pixel, so rounding loses nothing;
- the largest change of a pixel is the largest value of a cell, so the bound on the perturbation
  is the bound on the file;
- a cell's limits follow from the darkest and the brightest pixel below it, so clipping to [0, 255]
  never happens.

What a classifier sees is linear in the perturbation: `look(A + up(d)) = look(A) + rows @ d @
columns.T` up to Pillow's rounding, per channel, where `rows` sums the columns of Pillow's
resampling matrix over the pixels of a cell. Both matrices are computed on the host, so that the
cost of a gradient step does not depend on the size of the photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from jaxanon.classifiers.config import Config
from jaxanon.classifiers.preprocessing import crop_start, resampling_taps, resized

CANVAS = 256
"""Cells along one side of the grid."""


@dataclass(frozen=True)
class Canvas:
    """The grid of cells over the centred square of an image of `height` by `width` pixels.

    An image smaller than the grid uses one cell per pixel and leaves the rest of the grid idle,
    so every image has arrays of the same shape.
    """

    height: int
    width: int
    size: int = CANVAS

    @property
    def side(self) -> int:
        """Side of the centred square, in pixels."""
        return min(self.height, self.width)

    @property
    def cells(self) -> int:
        """Cells in use along one side of the square."""
        return min(self.side, self.size)

    @property
    def square(self) -> tuple[slice, slice]:
        """Rows and columns of the image that form the centred square."""
        top, left = (self.height - self.side) // 2, (self.width - self.side) // 2
        return slice(top, top + self.side), slice(left, left + self.side)

    @property
    def starts(self) -> np.ndarray:
        """First pixel of each cell along one side, counted from the square's edge."""
        return -(-np.arange(self.cells) * self.side // self.cells)

    def bounds(
        self, image: np.ndarray, mask: np.ndarray | None, largest: np.ndarray | int
    ) -> tuple[np.ndarray, np.ndarray]:
        """How far each cell can move.

        Args:
            image: `(H, W, 3)` uint8, to which the perturbation will be added.
            mask: `(H, W)` bool, where pixels may change; None is everywhere. A cell is free only
                if all of its pixels are.
            largest: largest change of a pixel, in levels; one for all channels, or `(3,)` uint8.

        Returns:
            How far each cell can be darkened and brightened: two `(size, size, 3)` uint8 arrays in
            levels (1/255), zero for idle cells.
        """
        pixels = image[self.square]
        below = np.minimum(self._reduce(np.minimum, pixels), largest)
        above = np.minimum(255 - self._reduce(np.maximum, pixels), largest)
        if mask is not None:
            free = self._reduce(np.minimum, mask[self.square][..., None])
            below, above = below * free, above * free
        return self._padded(below), self._padded(above)

    def add(self, image: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """A copy of an image plus a perturbation.

        Args:
            image: `(H, W, 3)` uint8.
            levels: `(size, size, 3)` int16, the perturbation of each cell in whole levels (1/255).

        Raises:
            ValueError: when a pixel would leave 0 to 255.
        """
        pixels = np.diff(self.starts, append=self.side)  # of each cell along one side
        used = levels[: self.cells, : self.cells]
        out = image.copy()
        changed = out[self.square] + used.repeat(pixels, axis=1).repeat(pixels, axis=0)
        if changed.min() < 0 or changed.max() > 255:
            raise ValueError("the perturbation leaves its bounds")
        out[self.square] = changed.astype(np.uint8)
        return out

    def matrices(self, config: Config) -> tuple[np.ndarray, np.ndarray]:
        """How a classifier's view depends on the perturbation.

        Returns:
            `(rows, columns)`, each `(view size, canvas size)` float32: a perturbation `d` of one
            channel changes the view by `rows @ d @ columns.T`.
        """
        return _matrices(self, config)

    def _reduce(self, reduction: np.ufunc, pixels: np.ndarray) -> np.ndarray:
        """The pixels of the square `(side, side, n)`, reduced to one value per cell.

        Args:
            reduction: of two pixels; it must not matter whether one is counted twice.
            pixels: of the square.
        """
        last = np.append(self.starts[1:], self.side) - 1
        most = int((last - self.starts).max())
        for axis in (0, 1):  # ufunc.reduceat does the same, many times slower
            out = pixels.take(self.starts, axis)
            for step in range(1, most + 1):
                reduction(out, pixels.take(np.minimum(self.starts + step, last), axis), out=out)
            pixels = out
        return pixels

    def _padded(self, levels: np.ndarray) -> np.ndarray:
        out = np.zeros((self.size, self.size, 3), np.uint8)
        out[: self.cells, : self.cells] = levels
        return out


@lru_cache(maxsize=64)
def _matrices(canvas: Canvas, config: Config) -> tuple[np.ndarray, np.ndarray]:
    size = config.input_size
    resized_lengths = resized(canvas.height, canvas.width, config.resize)
    axes = []
    for axis, length in enumerate((canvas.height, canvas.width)):
        start = crop_start(resized_lengths[axis], size)
        rows = slice(start, start + size)
        pixel, weight = resampling_taps(length, resized_lengths[axis], config.interpolation, rows)
        place = pixel - canvas.square[axis].start
        inside = (place >= 0) & (place < canvas.side)
        cell = np.where(inside, place, 0) * canvas.cells // canvas.side
        sums = np.zeros((size, canvas.size))
        np.add.at(sums, (np.arange(size)[:, None], cell), np.where(inside, weight, 0))
        matrix = sums.astype(np.float32)
        matrix.flags.writeable = False
        axes.append(matrix)
    return axes[0], axes[1]
