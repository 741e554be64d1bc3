"""Convolution as one matrix product of its windows (im2col), and its gradient (col2im).

Source: Chellapilla, Puri and Simard, "High Performance Convolutional Neural Networks for Document
Processing", 2006. On CPUs XLA's own convolution falls far behind its arithmetic where the image has
few pixels (the last stages of every network, and all later ones for small photos) or few channels;
a matrix product does not. Which shape takes it is measured (`lowerings`). The weights are
constants, so no gradient by the kernel is given.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxanon.classifiers.ops.windows import Pads, Side, barrier, pad, shifts, unpad


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(x: Array, kernel: Array, stride: int, around: Pads) -> Array:
    """Convolution as one matrix product, forward and backward; arguments of `windows.convolve`."""
    return forward(x, kernel, stride, around)


def _with_residual(
    x: Array, kernel: Array, stride: int, around: Pads
) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
    return forward(x, kernel, stride, around), (kernel, x.shape)


def _backward(
    stride: int, around: Pads, residual: tuple[Array, tuple[int, ...]], g: Array
) -> tuple[Array, None]:
    kernel, shape = residual
    return gradient(g, kernel, stride, around, (shape[1], shape[2])), None


conv.defvjp(_with_residual, _backward)


def forward(x: Array, kernel: Array, stride: int, around: Pads) -> Array:
    """Convolution as one matrix product: the windows side by side, times the kernel."""
    places = shifts(pad(x, around), (kernel.shape[0], kernel.shape[1]), stride)
    return barrier(jnp.concatenate(places, axis=-1)) @ kernel.reshape(-1, kernel.shape[3])


def gradient(g: Array, kernel: Array, stride: int, around: Pads, size: Side) -> Array:
    """The convolution's gradient by its input, as one matrix product and a sum of shifted parts.

    Args:
        g: gradient by the output, (n, h', w', d).
        kernel: (k, l, c, d).
        stride: stride of the convolution.
        around: padding of the convolution.
        size: height and width of the input, in pixels.
    """
    rows, columns, channels = kernel.shape[:3]
    height, width = (side + sum(ends) for side, ends in zip(size, around, strict=True))
    parts = barrier(g @ kernel.reshape(-1, kernel.shape[3]).T)
    zero = jnp.zeros((), g.dtype)
    total: Array | None = None
    for place in range(rows * columns):
        i, j = divmod(place, columns)
        part = lax.slice_in_dim(parts, place * channels, (place + 1) * channels, axis=3)
        below = height - i - (g.shape[1] - 1) * stride - 1
        right = width - j - (g.shape[2] - 1) * stride - 1
        shifted = lax.pad(
            part, zero, ((0, 0, 0), (i, below, stride - 1), (j, right, stride - 1), (0, 0, 0))
        )
        total = shifted if total is None else total + shifted
    assert total is not None
    return unpad(total, around, size)
