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
"""Largest change of brightness in [0, 1], of the gain of all channels, and of single ones."""


def augment(key: Array, picture: Array) -> Array:
    """Flip, move, zoom and turn a picture `(size, size, 3)` in [0, 1], and change its light."""
    place, light = jax.random.split(key)
    return _relight(light, _move(place, picture))


def _move(key: Array, picture: Array) -> Array:
    """Flip, shift, scale and rotate a picture about its centre, mirrored beyond its edges."""
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


def _relight(key: Array, picture: Array) -> Array:
    """Change brightness, contrast and tint of a picture, clipped to [0, 1]."""
    draws = jax.random.uniform(key, (5,), minval=-1, maxval=1)
    gain = 1 + CONTRAST * draws[0] + TINT * draws[1:4]
    return jnp.clip((picture - 0.5) * gain[None, None] + 0.5 + LIGHT * draws[4], 0, 1)
