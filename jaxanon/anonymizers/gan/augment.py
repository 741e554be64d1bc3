"""Random changes of the training faces, as there may be few of them.

The generator learns to make what it is shown, so the changes are such as other pictures of faces
show too.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.ndimage import map_coordinates

ZOOM, SHIFT, TURN = 0.12, 0.06, 0.12
"""Largest scaling and shift, as shares of the side, and rotation in radians."""
LIGHT, CONTRAST, TINT = 0.08, 0.15, 0.05
"""Largest change of brightness in units of one, and of the gain of all and of single channels."""


def augmented(key: Array, picture: Array) -> Array:
    """A picture `(size, size, 3)` in [0, 1], flipped, moved, zoomed, turned, its light changed."""
    place, light = jax.random.split(key)
    return relit(light, moved(place, picture))


def moved(key: Array, picture: Array) -> Array:
    """Flip, shift, scaling and rotation about the centre; beyond the edges it is mirrored."""
    flip, draws = jax.random.split(key)
    zoom, turn, down, right = jax.random.uniform(draws, (4,), minval=-1, maxval=1)
    size = picture.shape[0]
    middle = (size - 1) / 2
    y, x = jnp.meshgrid(jnp.arange(size) - middle, jnp.arange(size) - middle, indexing="ij")
    x = jnp.where(jax.random.bernoulli(flip), -x, x)
    scale, angle = jnp.exp(ZOOM * zoom), TURN * turn
    rows = scale * (jnp.cos(angle) * y - jnp.sin(angle) * x) + middle + SHIFT * size * down
    columns = scale * (jnp.sin(angle) * y + jnp.cos(angle) * x) + middle + SHIFT * size * right
    channels = [
        map_coordinates(picture[..., channel], [rows, columns], order=1, mode="mirror")
        for channel in range(3)
    ]
    return jnp.stack(channels, -1)


def relit(key: Array, picture: Array) -> Array:
    """Brightness, contrast and tint; the result is cut off at 0 and 1."""
    draws = jax.random.uniform(key, (5,), minval=-1, maxval=1)
    gain = 1 + CONTRAST * draws[0] + TINT * draws[1:4]
    return jnp.clip((picture - 0.5) * gain[None, None] + 0.5 + LIGHT * draws[4], 0, 1)
