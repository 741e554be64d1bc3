"""Depthwise convolution, with a lowering for CPUs that XLA's own is many times slower than.

The weights are constants of the compiled program, so the custom gradient below returns none for
the kernel.
"""

from __future__ import annotations

from functools import partial, reduce

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxanon.classifiers.ops.lowerings import form
from jaxanon.classifiers.ops.windows import (
    Padding,
    Pads,
    barrier,
    convolve,
    pad,
    pads,
    shape_of,
    shifts,
    unpad,
)


def depthwise(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    """Depthwise convolution: `x` (n, h, w, c), `kernel` (k, k, c) -> (n, h', w', c)."""
    side = kernel.shape[0]
    around = pads(padding, (x.shape[1], x.shape[2]), (side, side), stride)
    if form("depthwise", shape_of(x, side, stride, x.shape[3])) == "shifted":
        return by_shifts(x, kernel, stride, around)
    return by_library(x, kernel, stride, around)


def by_library(x: Array, kernel: Array, stride: int, around: Pads) -> Array:
    """Depthwise convolution as XLA's grouped convolution."""
    return convolve(x, kernel[:, :, None, :], stride, around, groups=x.shape[3])


# XLA's grouped convolution on CPUs is many times slower than its arithmetic and memory traffic
# call for. A sum of k*k shifted, scaled copies is one fused loop over the output, and so is its
# gradient by the input. `optimization_barrier` keeps XLA from recomputing producers once per shift.


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def by_shifts(x: Array, kernel: Array, stride: int, around: Pads) -> Array:
    """Depthwise convolution as a sum of shifted, scaled copies of the image."""
    return _correlate(pad(x, around), kernel, stride)


def _depthwise_forward(
    x: Array, kernel: Array, stride: int, around: Pads
) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
    return by_shifts(x, kernel, stride, around), (kernel, x.shape)


def _depthwise_backward(
    stride: int, around: Pads, residual: tuple[Array, tuple[int, ...]], g: Array
) -> tuple[Array, None]:
    kernel, shape = residual
    return _input_gradient(g, kernel, stride, around, shape), None


by_shifts.defvjp(_depthwise_forward, _depthwise_backward)


def _correlate(x: Array, kernel: Array, stride: int) -> Array:
    """Valid correlation as a sum of shifted copies."""
    # `lax` in place of operators: each of those is a traced call of its own, and there are many.
    rows, columns, channels = kernel.shape
    factors = kernel.reshape(rows * columns, channels)
    terms = []
    for place, piece in enumerate(shifts(x, (rows, columns), stride)):
        factor = lax.index_in_dim(factors, place, 0, keepdims=False)
        terms.append(lax.mul(piece, lax.broadcast_in_dim(factor, piece.shape, (3,))))
    return barrier(reduce(lax.add, terms))


def _input_gradient(
    g: Array, kernel: Array, stride: int, around: Pads, shape: tuple[int, ...]
) -> Array:
    """Gradient of the depthwise convolution by its input.

    Padded input row `p` met kernel row `i` at output row `(p - i) / stride`, so the rows of equal
    phase `p % stride` use the kernel rows `phase, phase + stride, ...` and are an ordinary
    correlation with that sub-kernel, flipped. The phases are then interleaved.
    """
    height, width = (shape[a + 1] + sum(around[a]) for a in (0, 1))
    flipped = kernel[::-1, ::-1]
    if stride == 1:
        reach = kernel.shape[0] - 1
        whole = _correlate(pad(g, ((reach, reach), (reach, reach))), flipped, 1)
    else:
        rows, columns = -(-height // stride), -(-width // stride)
        phases = []
        for a in range(stride):
            for b in range(stride):
                sub = kernel[a::stride, b::stride][::-1, ::-1]
                above, left = sub.shape[0] - 1, sub.shape[1] - 1
                padded = pad(
                    g,
                    (
                        (above, max(rows - g.shape[1], 0)),
                        (left, max(columns - g.shape[2], 0)),
                    ),
                )
                phases.append(_correlate(padded, sub, 1)[:, :rows, :columns])
        n, c = g.shape[0], g.shape[3]
        grid = jnp.stack(phases).reshape(stride, stride, n, rows, columns, c)
        whole = grid.transpose(2, 3, 0, 4, 1, 5).reshape(n, rows * stride, columns * stride, c)
    return unpad(whole, around, (shape[1], shape[2]))
