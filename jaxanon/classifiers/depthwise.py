"""Depthwise convolution, with a lowering for CPUs that XLA's own is many times slower than.

The weights are constants of the compiled program, so the custom gradient below returns none for
the kernel.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxanon.classifiers.ops import Padding, Pads, barrier, pads


def depthwise(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    """Depthwise convolution: `x` (n, h, w, c), `kernel` (k, k, c) -> (n, h', w', c)."""
    side = kernel.shape[0]
    around = pads(padding, (x.shape[1], x.shape[2]), (side, side), stride)
    if jax.default_backend() == "cpu":
        return _depthwise_shifted(x, kernel, stride, around)
    return _depthwise_library(x, kernel, stride, around)


def _depthwise_library(x: Array, kernel: Array, stride: int, around: Pads) -> Array:
    return lax.conv_general_dilated(
        x,
        kernel[:, :, None, :],
        (stride, stride),
        around,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[3],
    )


# XLA's grouped convolution on CPUs is many times slower than its arithmetic and memory traffic
# call for. A sum of k*k shifted, scaled copies is one fused loop over the output, and so is its
# gradient by the input. `optimization_barrier` keeps XLA from recomputing producers once per shift.


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _depthwise_shifted(x: Array, kernel: Array, stride: int, around: Pads) -> Array:
    return _correlate(_pad(x, around), kernel, stride)


def _depthwise_forward(
    x: Array, kernel: Array, stride: int, around: Pads
) -> tuple[Array, tuple[Array, tuple[int, ...]]]:
    return _depthwise_shifted(x, kernel, stride, around), (kernel, x.shape)


def _depthwise_backward(
    stride: int, around: Pads, residual: tuple[Array, tuple[int, ...]], g: Array
) -> tuple[Array, None]:
    kernel, shape = residual
    return _input_gradient(g, kernel, stride, around, shape), None


_depthwise_shifted.defvjp(_depthwise_forward, _depthwise_backward)


def _pad(x: Array, around: Pads) -> Array:
    return barrier(jnp.pad(x, ((0, 0), *around, (0, 0))))


def _correlate(x: Array, kernel: Array, stride: int) -> Array:
    """Valid correlation as a sum of shifted copies."""
    rows = (x.shape[1] - kernel.shape[0]) // stride + 1
    columns = (x.shape[2] - kernel.shape[1]) // stride + 1
    total: Array | None = None
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            piece = lax.slice(
                x,
                (0, i, j, 0),
                (
                    x.shape[0],
                    i + (rows - 1) * stride + 1,
                    j + (columns - 1) * stride + 1,
                    x.shape[3],
                ),
                (1, stride, stride, 1),
            )
            term = piece * kernel[i, j][None, None, None]
            total = term if total is None else total + term
    assert total is not None
    return barrier(total)


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
        whole = _correlate(_pad(g, ((reach, reach), (reach, reach))), flipped, 1)
    else:
        rows, columns = -(-height // stride), -(-width // stride)
        phases = []
        for a in range(stride):
            for b in range(stride):
                sub = kernel[a::stride, b::stride][::-1, ::-1]
                above, left = sub.shape[0] - 1, sub.shape[1] - 1
                padded = _pad(
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
    top, left = around[0][0], around[1][0]
    missing = (
        max(top + shape[1] - whole.shape[1], 0),
        max(left + shape[2] - whole.shape[2], 0),
    )
    if any(missing):
        whole = jnp.pad(whole, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    return whole[:, top : top + shape[1], left : left + shape[2]]
