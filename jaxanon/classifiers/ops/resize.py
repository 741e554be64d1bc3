"""Pillow's resize on the device, bit for bit.

Pillow resizes 8-bit images by integers: along each axis in turn, weights of 22 binary places times
pixels, summed in 32 bits, rounded and cut off at 0 and 255. A weight of up to 24 bits is the sum of
three of 8 bits, shifted. Products of those with pixels, and sums over a few hundred of them, are
integers below 2^24: exact in float32 from factors in bfloat16, which is what matrix units multiply,
at any precision of products. Source: `src/libImaging/Resample.c` of Pillow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.sharding import Mesh

from jaxanon.runtime.devices import on_each

PLACES = 22
"""Binary places of a weight."""
MOST_TAPS = 256
"""Pixels that may make one pixel; more would not be exact."""


class Taps(NamedTuple):
    """How pixels of one axis come from pixels of the image.

    Attributes:
        first: the first pixel that counts, `(..., size)` int32.
        weights: weights of that and of those after it, `(..., size, taps)` int32 in units of
            2^-22.
    """

    first: Array | np.ndarray
    weights: Array | np.ndarray


@partial(jax.jit, static_argnums=0)
def resize(mesh: Mesh, pixels: Array, views: Sequence[tuple[Taps, Taps]]) -> tuple[Array, ...]:
    """Resize and crop a batch of images, divided among devices, in several ways each.

    Args:
        mesh: devices, whose number must divide the batch.
        pixels: `(batch, H, W, 3)` uint8; what lies beyond an image's own edges does not matter.
        views: per way the taps of rows and of columns, with a leading axis of the batch.

    Returns:
        Per way `(batch, size, size, 3)` uint8.
    """

    def each(_: tuple[()], pixels: Array, views: Sequence[tuple[Taps, Taps]]) -> tuple[Array, ...]:
        return tuple(jax.vmap(_one)(pixels, rows, columns) for rows, columns in views)

    result: tuple[Array, ...] = on_each(each, mesh)((), pixels, tuple(views))
    return result


def _one(pixels: Array, rows: Taps, columns: Taps) -> Array:
    """One view of one image: `(H, W, 3)` -> `(size, size, 3)`; along rows first."""
    across = _product(columns, pixels, 1)  # (size, H, 3)
    return _product(rows, across, 1)  # (size, size, 3), rows first


def _product(taps: Taps, pixels: Array, axis: int) -> Array:
    """Resize along an axis, which becomes the first."""
    first, each = jnp.asarray(taps.first), jnp.asarray(taps.weights)
    at = jnp.arange(pixels.shape[axis])[None] - first[:, None]
    counts = at[:, :, None] == jnp.arange(each.shape[1])[None, None]
    weights = jnp.where(counts, each[:, None], 0).sum(-1)
    parts = jnp.concatenate([weights >> 16, (weights >> 8) & 255, weights & 255])
    sums = lax.dot_general(
        parts.astype(jnp.bfloat16),
        pixels.astype(jnp.bfloat16),
        (((1,), (axis,)), ((), ())),
        preferred_element_type=jnp.float32,
    )
    high, middle, low = jnp.split(sums.astype(jnp.int32), 3)
    total = (high << 16) + (middle << 8) + low + (1 << (PLACES - 1))
    return jnp.clip(total >> PLACES, 0, 255).astype(jnp.uint8)
