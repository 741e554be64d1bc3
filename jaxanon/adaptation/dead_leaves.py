"""A fixed set of generated pictures, for the methods that mix other pictures into an image.

What is mixed in must be nobody's: neither the original nor the neighbours in the batch, on which an
image's result must not depend. Generated pictures are free of that, and need no download.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

COUNT = 8
"""Number of pictures."""
DISCS = 400
"""Discs drawn in each picture, one over the other."""
SEED = 0


@lru_cache(maxsize=16)
def dead_leaves_images(size: int) -> np.ndarray:
    """Pictures of discs of random place, size and colour that hide one another (dead leaves).

    They share the edges, the occlusion and the spectrum of photographs; see Lee, Mumford and Huang,
    "Occlusion Models for Natural Images", IJCV 2001. The radii have a density of r to the power
    -3, between 2 % and 50 % of the side. The same pictures at every size.

    Args:
        size: side of the pictures in pixels.

    Returns:
        `(COUNT, size, size, 3)` uint8, read-only.
    """
    generator = np.random.default_rng(SEED)
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    pictures = np.zeros((COUNT, size, size, 3), np.uint8)
    for picture in pictures:
        small, large = 0.02**-2, 0.5**-2
        radii = (small + generator.random(DISCS) * (large - small)) ** -0.5
        places, colours = generator.random((DISCS, 2)), generator.random((DISCS, 3))
        for radius, (row, column), colour in zip(radii, places, colours, strict=True):
            inside = (y - row) ** 2 + (x - column) ** 2 < radius**2
            picture[inside] = (255 * colour).astype(np.uint8)
    pictures.flags.writeable = False
    return pictures
