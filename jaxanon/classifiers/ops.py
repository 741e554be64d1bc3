"""Convolutions and pools of the classifiers, with lowerings chosen per backend.

Every operation is a pure function on `(batch, height, width, channels)` arrays.
"""

from __future__ import annotations

from functools import reduce
from typing import Literal

import jax
import jax.numpy as jnp
from jax import Array, lax

Side = tuple[int, int]
Pads = tuple[Side, Side]
Padding = Literal["same"] | int | Side


def pads(padding: Padding, size: Side, kernel: Side, stride: int) -> Pads:
    """Zeros to add around an image of `size` (height, width).

    Args:
        padding: `"same"` is TensorFlow's rule (output side = ceil(side / stride), the odd zero at
            the end), which depends on the image's size; a number, or one per axis, is PyTorch's
            symmetric padding.
        size: height and width of the input, in pixels.
        kernel: height and width of the kernel.
        stride: step of the kernel.

    Returns:
        `((top, bottom), (left, right))`.
    """
    if padding != "same":
        rows, columns = (padding, padding) if isinstance(padding, int) else padding
        return ((rows, rows), (columns, columns))

    def one(side: int, reach: int) -> Side:
        total = max((-(-side // stride) - 1) * stride + reach - side, 0)
        return total // 2, total - total // 2

    return one(size[0], kernel[0]), one(size[1], kernel[1])


def conv(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    """Dense convolution: `x` (n, h, w, c), `kernel` (k, l, c, d) -> (n, h', w', d)."""
    size, reach = (x.shape[1], x.shape[2]), (kernel.shape[0], kernel.shape[1])
    around = pads(padding, size, reach, stride)
    if not any(map(any, around)):
        if size == reach:
            return _patches(x, kernel, reach)
        if reach == (stride, stride) and not (size[0] % stride or size[1] % stride):
            return _patches(x, kernel, reach)
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), around, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _patches(x: Array, kernel: Array, side: Side) -> Array:
    """Convolution whose windows do not overlap: a matrix product of patches, and so its gradient.

    Patch embeddings, and VGG's first fully connected layer, whose only window is the whole image.
    """
    n, height, width, c = x.shape
    rows, columns = height // side[0], width // side[1]
    patches = x.reshape(n, rows, side[0], columns, side[1], c).transpose(0, 1, 3, 2, 4, 5)
    return patches.reshape(n, rows, columns, -1) @ kernel.reshape(-1, kernel.shape[3])


def pointwise(x: Array, kernel: Array, stride: int = 1) -> Array:
    """1x1 convolution as a matrix product: `x` (n, h, w, c), `kernel` (c, d) -> (n, h', w', d)."""
    return x[:, ::stride, ::stride] @ kernel


def barrier(x: Array) -> Array:
    """`x`, which XLA then computes once instead of once per use."""
    kept: Array = lax.optimization_barrier(x)  # type: ignore[no-untyped-call]
    return kept


def max_pool(x: Array, side: int, stride: int, padding: int = 0) -> Array:
    """Largest value in each window: (n, h, w, c) -> (n, h', w', c).

    Among equals the first, row by row, has the gradient, as in PyTorch: photos have flat places,
    so it matters.
    """
    around = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    if jax.default_backend() != "cpu":
        largest: Array = lax.reduce_window(
            x, -jnp.inf, lax.max, (1, side, side, 1), (1, stride, stride, 1), around
        )
        return largest
    # XLA's gradient of `reduce_window` on CPUs is some forty times slower than that of this form.
    if padding:
        x = jnp.pad(x, around, constant_values=-jnp.inf)
    return reduce(lambda a, b: jnp.where(b > a, b, a), _shifts(barrier(x), side, stride))


def average_pool(x: Array, side: int, stride: int, padding: int = 0) -> Array:
    """Mean of each window, zeros of the padding counted in: (n, h, w, c) -> (n, h', w', c)."""
    if padding:
        x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return reduce(jnp.add, _shifts(x, side, stride)) / side**2


def halve(x: Array) -> Array:
    """2x2 means with stride 2; at an odd edge, means of the pixels that there are."""
    rows, columns = x.shape[1] % 2, x.shape[2] % 2
    if rows or columns:
        x = jnp.pad(x, ((0, 0), (0, rows), (0, columns), (0, 0)), mode="edge")
    return average_pool(x, 2, 2)


def _shifts(x: Array, side: int, stride: int) -> list[Array]:
    """The windows' values, one array per place in the window."""
    n, height, width, c = x.shape
    rows, columns = ((length - side) // stride * stride + 1 for length in (height, width))
    return [
        lax.slice(x, (0, i, j, 0), (n, i + rows, j + columns, c), (1, stride, stride, 1))
        for i in range(side)
        for j in range(side)
    ]


def resize_mean(x: Array, side: int) -> Array:
    """Means over a grid of `side` by `side` bins that cover the image (bins may overlap or repeat).

    PyTorch's adaptive average pooling: bin i of a side n is `floor(i n / side)` up to
    `ceil((i + 1) n / side)`.
    """

    def bins(length: int) -> Array:
        first = jnp.arange(side) * length // side
        last = -(-(jnp.arange(side) + 1) * length // side)
        at = jnp.arange(length)[None]
        inside = (at >= first[:, None]) & (at < last[:, None])
        return inside / inside.sum(1, keepdims=True)

    rows, columns = bins(x.shape[1]).astype(x.dtype), bins(x.shape[2]).astype(x.dtype)
    return jnp.einsum("nhwc,ih,jw->nijc", x, rows, columns)
