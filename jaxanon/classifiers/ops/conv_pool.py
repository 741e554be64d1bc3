"""Convolutions and pools of classifiers, in the form that suits the backend and the shape.

Every operation is a pure function on `(batch, height, width, channels)` arrays.
"""

from __future__ import annotations

from functools import reduce

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxanon.classifiers.ops import patches, stem, winograd
from jaxanon.classifiers.ops.lowerings import form
from jaxanon.classifiers.ops.windows import (
    Padding,
    Pads,
    Side,
    convolve,
    pad,
    pads,
    shape_of,
    shifts,
)
from jaxanon.runtime.devices import target


def conv(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    """Dense convolution: `x` (n, h, w, c), `kernel` (k, l, c, d) -> (n, h', w', d)."""
    size, reach = (x.shape[1], x.shape[2]), (kernel.shape[0], kernel.shape[1])
    around = pads(padding, size, reach, stride)
    if not any(map(any, around)):
        if size == reach:
            return _apart(x, kernel, reach)
        if reach == (stride, stride) and not (size[0] % stride or size[1] % stride):
            return _apart(x, kernel, reach)
    if kernel.shape[2] <= stem.CHANNELS:
        return stem.conv(x, kernel, stride, around)
    shape = shape_of(x, reach[0], stride, kernel.shape[3])
    chosen = form("conv", shape)
    if chosen == "winograd" and around == winograd.AROUND and reach == (3, 3):
        return winograd.conv(x, kernel)
    if chosen == "patches":
        return patches.conv(x, kernel, stride, around)
    return convolve(x, kernel, stride, around)


def _apart(x: Array, kernel: Array, side: Side) -> Array:
    """Convolution whose windows do not overlap: a matrix product of patches, and so its gradient.

    Patch embeddings, and VGG's first fully connected layer, whose only window is the whole image.
    """
    n, height, width, c = x.shape
    rows, columns = height // side[0], width // side[1]
    patches = x.reshape(n, rows, side[0], columns, side[1], c).transpose(0, 1, 3, 2, 4, 5)
    return patches.reshape(n, rows, columns, -1) @ kernel.reshape(-1, kernel.shape[3])


def pointwise(x: Array, kernel: Array, stride: int = 1, *, fused: bool = False) -> Array:
    """1x1 convolution as a matrix product: `x` (n, h, w, c), `kernel` (c, d) -> (n, h', w', d).

    Args:
        x: input.
        kernel: weights.
        stride: step, in pixels.
        fused: whether a sum and a rectifier follow. On GPUs it is then a convolution, since cuDNN
            computes those in the same kernel.
    """
    if fused and target() == "gpu":
        if stride == 1:
            return _fused_pointwise(x, kernel)
        return convolve(x, kernel[None, None], stride, ((0, 0), (0, 0)))
    x = x[:, ::stride, ::stride]
    if stride > 1 and target() == "gpu":
        # As one fusion of slice and product, XLA's Triton tiling aborts the process
        # (openxla/xla#47381); the product reads a copy of what is sliced either way.
        x = lax.optimization_barrier(x)
    return x @ kernel


@jax.custom_vjp
def _fused_pointwise(x: Array, kernel: Array) -> Array:
    """A convolution whose gradient is a product.

    As a convolution, too, the gradient would read the kernel in another order than the forward
    pass does. The weights are constants: the gradient by the kernel is zero.
    """
    return convolve(x, kernel[None, None], 1, ((0, 0), (0, 0)))


def _fused_pointwise_forward(x: Array, kernel: Array) -> tuple[Array, Array]:
    return _fused_pointwise(x, kernel), kernel


def _fused_pointwise_backward(kernel: Array, g: Array) -> tuple[Array, None]:
    return g @ kernel.T, None


_fused_pointwise.defvjp(_fused_pointwise_forward, _fused_pointwise_backward)


def max_pool(x: Array, side: int, stride: int, padding: int = 0) -> Array:
    """Largest value in each window: (n, h, w, c) -> (n, h', w', c).

    Among equals the first, row by row, has the gradient, as in PyTorch: photos have flat places,
    so it matters.
    """
    around = ((padding, padding), (padding, padding))
    if form("max_pool", shape_of(x, side, stride, x.shape[3])) == "shifted":
        return max_pool_shifted(x, side, stride, around)
    return max_pool_library(x, side, stride, around)


def max_pool_library(x: Array, side: int, stride: int, around: Pads) -> Array:
    """Largest value in each window, by XLA's `reduce_window`."""
    largest: Array = lax.reduce_window(
        x, -jnp.inf, lax.max, (1, side, side, 1), (1, stride, stride, 1), ((0, 0), *around, (0, 0))
    )
    return largest


def max_pool_shifted(x: Array, side: int, stride: int, around: Pads) -> Array:
    """Largest value in each window, over shifted slices.

    On CPUs the gradient of `reduce_window` is slow.
    """
    places = shifts(pad(x, around, -jnp.inf), (side, side), stride)
    return reduce(lambda a, b: jnp.where(b > a, b, a), places)


def average_pool(x: Array, side: int, stride: int, padding: int = 0) -> Array:
    """Mean of each window, zeros of the padding counted in: (n, h, w, c) -> (n, h', w', c)."""
    if padding:
        x = jnp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    return reduce(jnp.add, shifts(x, (side, side), stride)) / side**2


def halve(x: Array) -> Array:
    """Means of 2x2 pixels with stride 2; at an odd edge, of the pixels inside the image."""
    rows, columns = x.shape[1] % 2, x.shape[2] % 2
    if rows or columns:
        x = jnp.pad(x, ((0, 0), (0, rows), (0, columns), (0, 0)), mode="edge")
    return average_pool(x, 2, 2)


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
