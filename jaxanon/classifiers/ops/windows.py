"""Parts of convolutions and pools: padding, shifted slices, XLA's convolution."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jax import Array, lax

from jaxanon.classifiers.ops.lowerings import Shape
from jaxanon.runtime.devices import target

Side = tuple[int, int]
"""Height and width, or the two ends of an axis, in pixels."""
Pads = tuple[Side, Side]
"""Zeros around an image: `((top, bottom), (left, right))`, in pixels."""
Padding = Literal["same"] | int | Side
"""TensorFlow's padding, or zeros on both sides of an axis: one number, or one per axis."""


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


def shape_of(x: Array, side: int, stride: int, outputs: int) -> Shape:
    """The shape by which an operation's form is chosen.

    Args:
        x: input, (n, h, w, c).
        side: side of the kernel, in pixels.
        stride: stride of the kernel, in pixels.
        outputs: number of output channels.
    """
    return Shape(side, stride, min(x.shape[3], outputs), max(x.shape[1:3]))


def barrier(x: Array) -> Array:
    """`x` itself, so marked that XLA computes it once instead of once per use.

    Not on GPUs, where memory is slow and arithmetic is not: there each use computes it anew.
    """
    if target() == "gpu":
        return x
    same: Array = lax.optimization_barrier(x)
    return same


def pad(x: Array, around: Pads, value: float = 0.0) -> Array:
    """`x` (n, h, w, c) with a border of `value`, behind a `barrier`."""
    return barrier(jnp.pad(x, ((0, 0), *around, (0, 0)), constant_values=value))


def unpad(x: Array, around: Pads, size: Side) -> Array:
    """Take away the border `around` an image of `size`; pixels that `x` lacks are zero."""
    top, left = around[0][0], around[1][0]
    below, right = max(top + size[0] - x.shape[1], 0), max(left + size[1] - x.shape[2], 0)
    if below or right:
        x = jnp.pad(x, ((0, 0), (0, below), (0, right), (0, 0)))
    return x[:, top : top + size[0], left : left + size[1]]


def shifts(x: Array, kernel: Side, stride: int) -> list[Array]:
    """The windows' values, one array (n, h', w', c) per place in the window, row by row."""
    n, height, width, c = x.shape
    rows, columns = (
        (length - reach) // stride * stride + 1
        for length, reach in zip((height, width), kernel, strict=True)
    )
    return [
        lax.slice(x, (0, i, j, 0), (n, i + rows, j + columns, c), (1, stride, stride, 1))
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]


def convolve(x: Array, kernel: Array, stride: int, around: Pads, groups: int = 1) -> Array:
    """XLA's convolution: `x` (n, h, w, c), `kernel` (k, l, c / groups, d) -> (n, h', w', d)."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        around,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )
