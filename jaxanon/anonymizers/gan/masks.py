"""The regions of the training: boxes about the centre of a face."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

LEAST, MOST = 0.5, 0.9
"""Sides of a box, as shares of the picture's side."""
USUAL = 0.7
"""The share that samples show, and that a region has of the crop made around it."""
JITTER = 0.15
"""How far a box lies from the centre at most, as a share of the picture's side."""
WHOLE = 0.1
"""Share of masks that cover the whole picture: a face without context."""


def box(size: int, top: Array, left: Array, height: Array, width: Array) -> Array:
    """A mask `(size, size, 1)`, 1 in a box, else 0.

    Args:
        size: side of the picture, in pixels.
        top: upper edge of the box, in pixels; it may lie beyond the picture, as the left one may.
        left: left edge of the box, in pixels.
        height: height of the box, in pixels.
        width: width of the box, in pixels.
    """
    middles = jnp.arange(size) + 0.5
    rows = (middles >= top) & (middles < top + height)
    columns = (middles >= left) & (middles < left + width)
    return (rows[:, None] & columns[None, :])[..., None].astype(jnp.float32)


def central(size: int) -> Array:
    """The mask of the box that samples show, in the middle of the picture: `(size, size, 1)`."""
    side = jnp.float32(USUAL * size)
    start = (size - side) / 2
    return box(size, start, start, side, side)


def random_mask(key: Array, size: int) -> Array:
    """A random box near the centre, or now and then the whole picture: a mask `(size, size, 1)`."""
    sides, places, whole = jax.random.split(key, 3)
    height, width = jax.random.uniform(sides, (2,), minval=LEAST, maxval=MOST) * size
    middle = size / 2 + jax.random.uniform(places, (2,), minval=-JITTER, maxval=JITTER) * size
    mask = box(size, middle[0] - height / 2, middle[1] - width / 2, height, width)
    return jnp.where(jax.random.bernoulli(whole, WHOLE), jnp.ones_like(mask), mask)
