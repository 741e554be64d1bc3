"""Winograd's form of the 3x3 convolution, with 16 products in place of 36 per four outputs.

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, F(2x2, 3x3):
the image, in overlapping tiles of 4 by 4 pixels, and the kernel are transformed so that the
convolution becomes 16 matrix products. Its rounding error is that of the direct sum (the larger
tiles of the paper save more and lose digits). It pays where the products outweigh the traffic of
the transformed tiles, which is measured (`lowerings`).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxanon.classifiers.ops.windows import Pads, barrier, pad

AROUND: Pads = ((1, 1), (1, 1))
"""The padding for which the gradient is the same operation."""


@partial(jax.custom_vjp)
def conv(x: Array, kernel: Array) -> Array:
    """Convolution with stride 1 and `AROUND`: `x` (n, h, w, c), `kernel` (3, 3, c, d)."""
    # `lax` in place of operators: each of those is a traced call of its own, and there are many.
    n, height, width, _ = x.shape
    rows, columns = -(-height // 2), -(-width // 2)
    odd = ((1, 2 * rows - height + 1), (1, 2 * columns - width + 1))
    tiles = [
        [_every_second(part, j, columns, 2) for j in range(4)]
        for part in _tile([_every_second(pad(x, odd), i, rows, 1) for i in range(4)])
    ]
    seen = [value for row in tiles for value in _tile(row)]
    products = [
        barrier(lax.dot_general(a, b, (((3,), (0,)), ((), ()))))
        for a, b in zip(seen, _kernel(kernel), strict=True)
    ]
    halves = [_outputs(products[j::4]) for j in range(4)]
    upper, lower = (_outputs([half[i] for half in halves]) for i in range(2))
    pixels = jnp.stack([jnp.stack(upper, 3), jnp.stack(lower, 3)], 2)
    whole = pixels.reshape(n, 2 * rows, 2 * columns, kernel.shape[3])
    return whole[:, :height, :width]


def _forward(x: Array, kernel: Array) -> tuple[Array, Array]:
    return conv(x, kernel), kernel


def _backward(kernel: Array, g: Array) -> tuple[Array, None]:
    """The convolution's gradient by its input; none by the kernel, which is constant."""
    return conv(g, kernel[::-1, ::-1].swapaxes(2, 3)), None


conv.defvjp(_forward, _backward)


def _every_second(x: Array, start: int, count: int, axis: int) -> Array:
    return lax.slice_in_dim(x, start, start + 2 * count - 1, 2, axis)


def _tile(a: list[Array]) -> list[Array]:
    """Winograd's transform of four neighbouring pixels along one axis."""
    values = lax.sub(a[0], a[2]), lax.add(a[1], a[2]), lax.sub(a[2], a[1]), lax.sub(a[1], a[3])
    return [barrier(value) for value in values]


def _outputs(a: list[Array]) -> list[Array]:
    """Winograd's transform of four products to two outputs along one axis."""
    values = lax.add(lax.add(a[0], a[1]), a[2]), lax.sub(lax.sub(a[1], a[2]), a[3])
    return [barrier(value) for value in values]


def _kernel(kernel: Array) -> list[Array]:
    """Winograd's transform of a kernel (3, 3, c, d): 16 matrices `(c, d)`."""

    def one(a: list[Array]) -> list[Array]:
        half = lax.full_like(a[0], 0.5)
        even, odd = lax.mul(lax.add(a[0], a[2]), half), lax.mul(a[1], half)
        return [a[0], lax.add(even, odd), lax.sub(even, odd), a[2]]

    rows = [lax.index_in_dim(kernel, i, 0, keepdims=False) for i in range(3)]
    columns = [one([lax.index_in_dim(row, j, 0, keepdims=False) for row in rows]) for j in range(3)]
    return [value for i in range(4) for value in one([column[i] for column in columns])]
