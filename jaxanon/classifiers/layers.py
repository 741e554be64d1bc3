"""Inference layers: each is a linear map and a bias, with batch norm already folded in.

A layer says how its PyTorch counterpart stores it (`torch_shape`, `from_torch`) and which batch
norm follows it there (`norm`), so that a model file reads like the network and the converter in
`port.py` needs no table of names: the attribute names of a model *are* timm's.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxanon.classifiers import ops


@dataclass(frozen=True)
class BatchNorm:
    """The batch norm that follows a layer in the original: a sibling of it, by attribute name."""

    name: str
    eps: float


class Layer(nnx.Module):
    """A kernel and a bias. Subclasses give the layout and the operation."""

    def __init__(
        self, torch_shape: tuple[int, ...], ours: tuple[int, ...], norm: BatchNorm | None
    ) -> None:
        self.torch_shape = torch_shape
        self.norm = norm
        self.kernel = nnx.Param(jnp.zeros(ours, jnp.float32))
        self.bias = nnx.Param(jnp.zeros((torch_shape[0],), jnp.float32))

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        """PyTorch's weight, of `torch_shape`, in this layer's layout."""
        raise NotImplementedError

    def linear(self, x: Array) -> Array:
        """Apply the kernel alone."""
        raise NotImplementedError

    def __call__(self, x: Array) -> Array:
        """Apply to `(batch, height, width, channels)`, or `(batch, features)`."""
        y = self.linear(x)
        return y + jnp.expand_dims(self.bias[...], range(y.ndim - 1))


class Conv(Layer):
    """Dense convolution with a square kernel, `side` > 1."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        side: int,
        *,
        stride: int = 1,
        padding: ops.Padding,
        norm: BatchNorm | None = None,
    ) -> None:
        self.stride = stride
        self.padding = padding
        super().__init__((outputs, inputs, side, side), (side, side, inputs, outputs), norm)

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight.transpose(2, 3, 1, 0)

    def linear(self, x: Array) -> Array:
        return ops.conv(x, self.kernel[...], self.stride, self.padding)


class Pointwise(Layer):
    """1x1 convolution."""

    def __init__(self, inputs: int, outputs: int, *, norm: BatchNorm | None = None) -> None:
        super().__init__((outputs, inputs, 1, 1), (inputs, outputs), norm)

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight[:, :, 0, 0].T

    def linear(self, x: Array) -> Array:
        return ops.pointwise(x, self.kernel[...])


class Depthwise(Layer):
    """Convolution of each channel with a square kernel of its own."""

    def __init__(
        self,
        channels: int,
        side: int,
        *,
        stride: int = 1,
        padding: ops.Padding,
        norm: BatchNorm | None = None,
    ) -> None:
        self.stride = stride
        self.padding = padding
        super().__init__((channels, 1, side, side), (side, side, channels), norm)

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight[:, 0].transpose(1, 2, 0)

    def linear(self, x: Array) -> Array:
        return ops.depthwise(x, self.kernel[...], self.stride, self.padding)


class Linear(Layer):
    """Fully connected layer on `(batch, features)`."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__((outputs, inputs), (inputs, outputs), None)

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight.T

    def linear(self, x: Array) -> Array:
        return x @ self.kernel[...]
