"""The first convolution, from three channels to many, for CPUs.

XLA's CPU convolution is laid out for many channels. With three it takes several times what its
arithmetic calls for: forward where the stride is 2, and above all in the gradient by the pixels.
The forms below are matrix products with moves of pixels around them; which shape takes which is
measured (`lowerings`). The weights are constants, so no gradient by the kernel is given.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array

from jaxanon.classifiers.ops import patches
from jaxanon.classifiers.ops.lowerings import Shape, form
from jaxanon.classifiers.ops.windows import Pads, Side, barrier, convolve, shape_of, unpad

CHANNELS = 4
"""Most input channels of a convolution that counts as a network's first."""


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv(x: Array, kernel: Array, stride: int, around: Pads) -> Array:
    """Convolution of an image with few channels; arguments of `windows.convolve`.

    It takes the form that was measured fastest for the shape.
    """
    shape = shape_of(x, kernel.shape[0], stride, kernel.shape[3])
    return FORWARD[form("stem", shape)](x, kernel, stride, around)


def _forward(
    x: Array, kernel: Array, stride: int, around: Pads
) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
    return conv(x, kernel, stride, around), (kernel, x.shape)


def _backward(
    stride: int, around: Pads, residual: tuple[Array, tuple[int, ...]], g: Array
) -> tuple[Array, None]:
    kernel, shape = residual
    whole = Shape(kernel.shape[0], stride, kernel.shape[2], max(shape[1:3]))
    gradient = GRADIENT[form("stem_gradient", whole)]
    return gradient(g, kernel, stride, around, (shape[1], shape[2])), None


conv.defvjp(_forward, _backward)


def gradient_by_library(g: Array, kernel: Array, stride: int, around: Pads, size: Side) -> Array:
    """The convolution's gradient by its input, XLA's own; arguments of `patches.gradient`."""
    x = jnp.zeros((g.shape[0], *size, kernel.shape[2]), g.dtype)
    _, pull = jax.vjp(lambda x: convolve(x, kernel, stride, around), x)
    gradient: Array = pull(g)[0]
    return gradient


def gradient_by_blocks(g: Array, kernel: Array, stride: int, around: Pads, size: Side) -> Array:
    """The convolution's gradient by its input, in blocks of `stride` by `stride` pixels.

    Arguments are those of `patches.gradient`; the gradient is a convolution without stride.

    The kernel, filled up to a multiple of the stride, is a smaller one from blocks of pixels, laid
    into channels, to the outputs; the gradient is its transpose, and the blocks are laid out again.
    """
    rows, columns, channels, outputs = kernel.shape
    tall, wide = -(-rows // stride), -(-columns // stride)
    filled = jnp.pad(
        kernel, ((0, tall * stride - rows), (0, wide * stride - columns), (0, 0), (0, 0))
    )
    blocks = filled.reshape(tall, stride, wide, stride, channels, outputs)
    blocks = blocks.transpose(0, 2, 5, 1, 3, 4).reshape(tall, wide, outputs, -1)
    y = barrier(convolve(g, blocks[::-1, ::-1], 1, ((tall - 1, tall - 1), (wide - 1, wide - 1))))
    n, height, width, _ = y.shape
    y = y.reshape(n, height, width, stride, stride, channels).transpose(0, 1, 3, 2, 4, 5)
    y = y.reshape(n, height * stride, width * stride, channels)
    return unpad(y, around, size)


FORWARD = {"library": convolve, "patches": patches.forward}
"""Form -> the convolution."""
GRADIENT = {
    "library": gradient_by_library,
    "columns": patches.gradient,
    "blocks": gradient_by_blocks,
}
"""Form -> the gradient by the input."""
