"""Inference layers, with batch norm already folded in.

A layer knows how its PyTorch counterpart is stored (`keys`) and how to turn that into its own
arrays (`convert`), so that a model file reads like the network and the converter in `port.py`
needs no table of names: the attribute names of a model *are* timm's. Arrays are abstract (shape
and type only) until the port fills them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxanon.classifiers import ops
from jaxanon.classifiers.depthwise import depthwise

Keys = dict[str, tuple[int, ...]]


class Reader(Protocol):
    """What `convert` reads from: the arrays of a state dict, checked."""

    def array(self, key: str) -> np.ndarray:
        """The array of a key that `keys` named, in its shape; float32, or float64 if stored so."""
        ...

    def eps(self, eps: float) -> float:
        """The epsilon of a batch norm, given the one that timm has."""
        ...


class Leaf(nnx.Module):
    """A module with arrays of its own."""

    def keys(self, name: str) -> Keys:
        """Keys and shapes of the state dict that this module takes, `name` being its path."""
        raise NotImplementedError

    def convert(self, read: Reader, name: str) -> dict[str, np.ndarray]:
        """Attribute -> array, from the state dict."""
        raise NotImplementedError


def _abstract(*shape: int) -> nnx.Param[Any]:
    return nnx.Param(jax.ShapeDtypeStruct(shape, jnp.float32))  # type: ignore[no-untyped-call]


def _norm_keys(prefix: str, channels: int) -> Keys:
    leaves = ("weight", "bias", "running_mean", "running_var")
    return {f"{prefix}.{leaf}": (channels,) for leaf in leaves}


def _norm(read: Reader, prefix: str, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Batch norm with fixed statistics as scale and shift, in float64."""
    gamma, beta, mean, variance = (
        read.array(f"{prefix}.{leaf}").astype(np.float64)
        for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + read.eps(eps))
    return scale, beta - mean * scale


@dataclass(frozen=True)
class BatchNorm:
    """The batch norm that follows a layer in the original: a sibling of it, by attribute name.

    `"../bn1"` is a sibling of the layer's parent.
    """

    name: str
    eps: float

    def prefix(self, layer: str) -> str:
        """Its path, given the layer's."""
        parent, name = layer.rpartition(".")[0], self.name
        while name.startswith("../"):
            parent, name = parent.rpartition(".")[0], name[3:]
        return f"{parent}.{name}" if parent else name


class Layer(Leaf):
    """A kernel and a bias. Subclasses give the layout and the operation.

    Args:
        torch_shape: of PyTorch's weight; the outputs come first.
        ours: shape of the kernel in this layer's layout.
        norm: the batch norm to fold in.
        bias: whether PyTorch's layer has one; by default where no batch norm follows.
    """

    def __init__(
        self,
        torch_shape: tuple[int, ...],
        ours: tuple[int, ...],
        norm: BatchNorm | None,
        bias: bool | None,
    ) -> None:
        self.torch_shape = torch_shape
        self.norm = norm
        self.torch_bias = norm is None if bias is None else bias
        self.kernel = _abstract(*ours)
        self.bias = _abstract(torch_shape[0]) if self.torch_bias or norm else None

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        """PyTorch's weight, of `torch_shape`, in this layer's layout."""
        raise NotImplementedError

    def linear(self, x: Array) -> Array:
        """Apply the kernel alone."""
        raise NotImplementedError

    def keys(self, name: str) -> Keys:
        keys = {f"{name}.weight": self.torch_shape}
        if self.torch_bias:
            keys[f"{name}.bias"] = self.torch_shape[:1]
        if self.norm is not None:
            keys |= _norm_keys(self.norm.prefix(name), self.torch_shape[0])
        return keys

    def convert(self, read: Reader, name: str) -> dict[str, np.ndarray]:
        """Fold the batch norm into the weight and the bias.

        `w' = w * gamma / sqrt(var + eps)`, `b' = beta + (b - mean) * gamma / sqrt(var + eps)`.
        """
        weight = read.array(f"{name}.weight")
        bias = read.array(f"{name}.bias") if self.torch_bias else None
        if self.norm is not None:
            scale, shift = _norm(read, self.norm.prefix(name), self.norm.eps)
            weight = weight * scale.reshape(-1, *(1,) * (weight.ndim - 1))
            bias = shift if bias is None else bias * scale + shift
        arrays = {"kernel": self.from_torch(weight)}
        return arrays if bias is None else arrays | {"bias": bias}

    def __call__(self, x: Array) -> Array:
        """Apply to `(batch, height, width, channels)`, or `(batch, ..., features)`."""
        y = self.linear(x)
        return y if self.bias is None else y + jnp.expand_dims(self.bias[...], range(y.ndim - 1))


class Conv(Layer):
    """Dense convolution; `side` is the kernel's, or its height and width."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        side: int | ops.Side,
        *,
        stride: int = 1,
        padding: ops.Padding = 0,
        norm: BatchNorm | None = None,
        bias: bool | None = None,
    ) -> None:
        self.stride = stride
        self.padding = padding
        rows, columns = (side, side) if isinstance(side, int) else side
        super().__init__(
            (outputs, inputs, rows, columns), (rows, columns, inputs, outputs), norm, bias
        )

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight.transpose(2, 3, 1, 0)

    def linear(self, x: Array) -> Array:
        return ops.conv(x, self.kernel[...], self.stride, self.padding)


class Pointwise(Layer):
    """1x1 convolution."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        stride: int = 1,
        norm: BatchNorm | None = None,
        bias: bool | None = None,
    ) -> None:
        self.stride = stride
        super().__init__((outputs, inputs, 1, 1), (inputs, outputs), norm, bias)

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight[:, :, 0, 0].T

    def linear(self, x: Array) -> Array:
        return ops.pointwise(x, self.kernel[...], self.stride)


class Depthwise(Layer):
    """Convolution of each channel with a square kernel of its own."""

    def __init__(
        self,
        channels: int,
        side: int,
        *,
        stride: int = 1,
        padding: ops.Padding = 0,
        norm: BatchNorm | None = None,
    ) -> None:
        self.stride = stride
        self.padding = padding
        super().__init__((channels, 1, side, side), (side, side, channels), norm, None)

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight[:, 0].transpose(1, 2, 0)

    def linear(self, x: Array) -> Array:
        return depthwise(x, self.kernel[...], self.stride, self.padding)


class Linear(Layer):
    """Fully connected layer on the last axis."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__((outputs, inputs), (inputs, outputs), None, bias)

    def from_torch(self, weight: np.ndarray) -> np.ndarray:
        return weight.T

    def linear(self, x: Array) -> Array:
        return x @ self.kernel[...]


class Affine(Leaf):
    """A batch norm that cannot be folded, since no convolution precedes it alone."""

    def __init__(self, channels: int, eps: float) -> None:
        self.channels, self.epsilon = channels, eps
        self.scale, self.shift = _abstract(channels), _abstract(channels)

    def keys(self, name: str) -> Keys:
        return _norm_keys(name, self.channels)

    def convert(self, read: Reader, name: str) -> dict[str, np.ndarray]:
        scale, shift = _norm(read, name, self.epsilon)
        return {"scale": scale, "shift": shift}

    def __call__(self, x: Array) -> Array:
        """Scale and shift the channels of `(batch, height, width, channels)`."""
        return x * self.scale[...][None, None, None] + self.shift[...][None, None, None]


class LayerNorm(Leaf):
    """Normalise over the last axis (Ba et al., 2016)."""

    def __init__(self, channels: int, eps: float) -> None:
        self.channels, self.epsilon = channels, eps
        self.scale, self.shift = _abstract(channels), _abstract(channels)

    def keys(self, name: str) -> Keys:
        return {f"{name}.weight": (self.channels,), f"{name}.bias": (self.channels,)}

    def convert(self, read: Reader, name: str) -> dict[str, np.ndarray]:
        return {"scale": read.array(f"{name}.weight"), "shift": read.array(f"{name}.bias")}

    def __call__(self, x: Array) -> Array:
        """Normalise `(..., channels)`."""
        centred = x - x.mean(-1, keepdims=True)
        y = centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + self.epsilon)
        around = range(x.ndim - 1)
        scale, shift = (jnp.expand_dims(p[...], around) for p in (self.scale, self.shift))
        return y * scale + shift


class Parameter(Leaf):
    """A bare array, stored under the module's own path."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape
        self.value = _abstract(*shape)

    def keys(self, name: str) -> Keys:
        return {name: self.shape}

    def convert(self, read: Reader, name: str) -> dict[str, np.ndarray]:
        return {"value": read.array(name)}

    def __call__(self) -> Array:
        """The array."""
        value: Array = self.value[...]
        return value
