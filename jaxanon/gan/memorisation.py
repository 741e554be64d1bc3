"""Whether fills are copies of training faces: the nearest one of each, inside the region."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MOVES = 2
"""Training faces are also tried moved by up to so many pixels in each direction."""


class Nearest(NamedTuple):
    """The training face that is nearest to each picture.

    Attributes:
        distance: `(n,)`, root mean square over the region, in levels of 255.
        which: `(n,)`, index of the training face.
        face: `(n, size, size, 3)` in [0, 1], that face, flipped and moved as it is nearest.
    """

    distance: np.ndarray
    which: np.ndarray
    face: np.ndarray


def variants(faces: np.ndarray) -> np.ndarray:
    """Each face as it is, flipped, and moved by up to `MOVES` pixels, its edge repeated.

    Args:
        faces: `(n, size, size, 3)`.

    Returns:
        `(variants, n, size, size, 3)`.
    """
    size = faces.shape[1]
    around = [(0, 0), (MOVES, MOVES), (MOVES, MOVES), (0, 0)]
    reach = range(2 * MOVES + 1)
    return np.stack(
        [
            padded[:, top : top + size, left : left + size]
            for padded in (np.pad(each, around, "edge") for each in (faces, faces[:, :, ::-1]))
            for top in reach
            for left in reach
        ]
    )


def nearest(pictures: np.ndarray, mask: np.ndarray, training: np.ndarray) -> Nearest:
    """The nearest training face of each picture, whatever its brightness.

    The mean of the region is taken off both, since training varies the light.

    Args:
        pictures: `(n, size, size, 3)` in [0, 1].
        mask: `(size, size)` bool, the region.
        training: `(m, size, size, 3)` in [0, 1].
    """
    tried = variants(training)
    rows, others = _centred(pictures[:, mask]), _centred(tried[:, :, mask])
    flat = others.reshape(-1, others.shape[-1])
    squares = (rows**2).sum(1)[:, None] + (flat**2).sum(1)[None, :] - 2 * rows @ flat.T
    best = squares.argmin(1)
    index = best % len(training)
    # From the differences: of equal pictures, the sum above leaves what it was rounded by.
    distance = 255 * np.sqrt(np.square(rows - flat[best]).mean(1))
    return Nearest(distance, index, tried[best // len(training), index])


def _centred(regions: np.ndarray) -> np.ndarray:
    """`(..., pixels, 3)` less the mean over the pixels, as float64 rows `(..., pixels * 3)`."""
    values = regions.astype(np.float64)
    values -= values.mean((-2, -1), keepdims=True)
    return values.reshape(*values.shape[:-2], -1)
