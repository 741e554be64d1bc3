"""Linear layers for inference, each with the batch norm that follows it folded in."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxanon.classifiers.layers.leaf import Keys, Leaf, Reader, abstract
from jaxanon.classifiers.layers.mixup import mixed
from jaxanon.classifiers.layers.norms import BatchNorm, norm_keys, scale_and_shift
from jaxanon.classifiers.ops import conv_pool as ops
from jaxanon.classifiers.ops.depthwise import depthwise
from jaxanon.classifiers.ops.windows import Padding, Side


class Layer(Leaf):
    """A layer with a kernel and a bias; subclasses give the layout and the operation.

    Args:
        torch_shape: shape of PyTorch's weight; output channels come first.
        kernel_shape: shape of the kernel in this layer's layout.
        norm: the batch norm to fold in, or None.
        bias: whether PyTorch's layer has a bias; by default where no batch norm follows.
    """

    def __init__(
        self,
        torch_shape: tuple[int, ...],
        kernel_shape: tuple[int, ...],
        norm: BatchNorm | None,
        bias: bool | None,
    ) -> None:
        self.torch_shape = torch_shape
        self.norm = norm
        self.torch_bias = norm is None if bias is None else bias
        self.kernel = abstract(*kernel_shape)
        self.bias = abstract(torch_shape[0]) if self.torch_bias or norm else None

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        """Bring PyTorch's weight, of `torch_shape`, into this layer's layout."""
        raise NotImplementedError

    def linear(self, x: Array) -> Array:
        """Apply the kernel to `(batch, ..., channels)`, without the bias."""
        raise NotImplementedError

    def keys(self, name: str) -> Keys:
        keys = {f"{name}.weight": self.torch_shape}
        if self.torch_bias:
            keys[f"{name}.bias"] = self.torch_shape[:1]
        if self.norm is not None:
            keys |= norm_keys(self.norm.prefix(name), self.torch_shape[0])
        return keys

    def convert(self, read: Reader, name: str) -> dict[str, np.ndarray]:
        """Read the kernel and the bias, the batch norm folded in.

        `w' = w * gamma / sqrt(var + eps)`, `b' = beta + (b - mean) * gamma / sqrt(var + eps)`.
        """
        weight = read.array(f"{name}.weight")
        bias = read.array(f"{name}.bias") if self.torch_bias else None
        if self.norm is not None:
            scale, shift = scale_and_shift(read, self.norm.prefix(name), self.norm.eps)
            weight = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
            bias = shift if bias is None else bias * scale + shift
        arrays = {"kernel": self.from_torch(weight)}
        return arrays if bias is None else arrays | {"bias": bias}

    def __call__(self, x: Array) -> Array:
        """Apply the layer to `(batch, height, width, channels)`, or `(batch, ..., features)`."""
        y = self.linear(x)
        if self.bias is not None:
            y = y + jnp.expand_dims(self.bias[...], range(y.ndim - 1))
        return mixed(y)


class Conv(Layer):
    """Dense convolution; `kernel_size` is the side of the kernel, or its height and width."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Side,
        *,
        stride: int = 1,
        padding: Padding = 0,
        norm: BatchNorm | None = None,
        bias: bool | None = None,
    ) -> None:
        self.stride = stride
        self.padding = padding
        rows, columns = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
        super().__init__(
            (out_channels, in_channels, rows, columns),
            (rows, columns, in_channels, out_channels),
            norm,
            bias,
        )

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight.transpose(2, 3, 1, 0)

    def linear(self, x: Array) -> Array:
        return ops.conv(x, self.kernel[...], self.stride, self.padding)


class Pointwise(Layer):
    """Convolution with a kernel of 1x1 pixels."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        norm: BatchNorm | None = None,
        bias: bool | None = None,
        fused: bool = False,
    ) -> None:
        self.stride = stride
        self.fused = fused
        super().__init__((out_channels, in_channels, 1, 1), (in_channels, out_channels), norm, bias)

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight[:, :, 0, 0].T

    def linear(self, x: Array) -> Array:
        return ops.pointwise(x, self.kernel[...], self.stride, fused=self.fused)


class Depthwise(Layer):
    """Convolution of each channel with a square kernel of its own."""

    def __init__(
        self,
        channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: Padding = 0,
        norm: BatchNorm | None = None,
    ) -> None:
        self.stride = stride
        self.padding = padding
        super().__init__(
            (channels, 1, kernel_size, kernel_size),
            (kernel_size, kernel_size, channels),
            norm,
            None,
        )

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight[:, 0].transpose(1, 2, 0)

    def linear(self, x: Array) -> Array:
        return depthwise(x, self.kernel[...], self.stride, self.padding)


class Linear(Layer):
    """Fully connected layer on the last axis."""

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True) -> None:
        super().__init__((out_features, in_features), (in_features, out_features), None, bias)

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight.T

    def linear(self, x: Array) -> Array:
        return x @ self.kernel[...]


class Head(nnx.Module):
    """The end of a network: mean over the image, and a fully connected layer `fc`."""

    def __init__(self, features: int, num_classes: int) -> None:
        self.fc = Linear(features, num_classes)

    def __call__(self, x: Array) -> Array:
        """`(batch, height, width, features)` -> `(batch, classes)`."""
        return self.fc(x.mean((1, 2)))
