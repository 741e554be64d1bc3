"""Rectifiers whose gradient needs their output alone, so that their input need not be kept.

The gradient is zero where the output is at either end, as in PyTorch.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxanon.runtime.devices import target


@jax.custom_vjp
def relu(x: Array) -> Array:
    """The larger of `x` and 0, of convolutions and sums."""
    return jnp.maximum(x, 0)


def _relu_forward(x: Array) -> tuple[Array, Array]:
    y = relu(x)
    if target() == "gpu":
        # XLA writes `max(x, 0) > 0` as `x > 0`, and so keeps x. What cannot be seen through lets
        # it compute convolution, bias, sum and rectifier in one kernel that writes y alone.
        y = lax.optimization_barrier(y)
    return y, y


def _relu_backward(y: Array, g: Array) -> tuple[Array]:
    return (jnp.where(y > 0, g, 0),)


relu.defvjp(_relu_forward, _relu_backward)


@jax.custom_vjp
def relu6(x: Array) -> Array:
    """`x` cut off at 0 and 6."""
    return jnp.minimum(jnp.maximum(x, 0), 6)


def _relu6_forward(x: Array) -> tuple[Array, Array]:
    y = relu6(x)
    return y, y


def _relu6_backward(y: Array, g: Array) -> tuple[Array]:
    return (jnp.where((y > 0) & (y < 6), g, 0),)


relu6.defvjp(_relu6_forward, _relu6_backward)
