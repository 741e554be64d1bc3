"""3x3 convolution with 16 products in place of 36 per four outputs.

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

from jaxanon.classifiers.windows import Pads, barrier, pad

AROUND: Pads = ((1, 1), (1, 1))
"""The padding for which the gradient is the same operation."""


@partial(jax.custom_vjp)
def conv(x: Array, kernel: Array) -> Array:
    """Convolution with stride 1 and `AROUND`: `x` (n, h, w, c), `kernel` (3, 3, c, d)."""
    n, height, width, _ = x.shape
    rows, columns = -(-height // 2), -(-width // 2)
    odd = ((1, 2 * rows - height + 1), (1, 2 * columns - width + 1))
    tiles = [
        [_every_second(part, j, columns, 2) for j in range(4)]
        for part in _tile([_every_second(pad(x, odd), i, rows, 1) for i in range(4)])
    ]
    seen = [barrier(value) for row in tiles for value in _tile(row)]
    weights = _kernel(kernel)
    products = [barrier(a @ b) for a, b in zip(seen, weights, strict=True)]
    halves = [_outputs([products[4 * i + j] for i in range(4)]) for j in range(4)]
    upper, lower = (_outputs([half[i] for half in halves]) for i in range(2))
    pixels = jnp.stack([jnp.stack(upper, 3), jnp.stack(lower, 3)], 2)
    whole = pixels.reshape(n, 2 * rows, 2 * columns, kernel.shape[3])
    return whole[:, :height, :width]


def _forward(x: Array, kernel: Array) -> tuple[Array, Array]:
    return conv(x, kernel), kernel


def _backward(kernel: Array, g: Array) -> tuple[Array, None]:
    """The gradient by the input; the weights are constants."""
    return conv(g, kernel[::-1, ::-1].swapaxes(2, 3)), None


conv.defvjp(_forward, _backward)


def _every_second(x: Array, start: int, count: int, axis: int) -> Array:
    return lax.slice_in_dim(x, start, start + 2 * count - 1, 2, axis)


def _tile(a: list[Array]) -> list[Array]:
    """The transform of four neighbours along one axis."""
    return [barrier(v) for v in (a[0] - a[2], a[1] + a[2], a[2] - a[1], a[1] - a[3])]


def _outputs(a: list[Array]) -> list[Array]:
    """Two outputs from four products along one axis."""
    return [barrier(v) for v in (a[0] + a[1] + a[2], a[1] - a[2] - a[3])]


def _kernel(kernel: Array) -> list[Array]:
    """The 16 matrices `(c, d)` of a kernel."""

    def one(a: list[Array]) -> list[Array]:
        even, odd = (a[0] + a[2]) / 2, a[1] / 2
        return [a[0], even + odd, even - odd, a[2]]

    columns = [one([kernel[i, j] for i in range(3)]) for j in range(3)]
    return [v for i in range(4) for v in one([column[i] for column in columns])]
