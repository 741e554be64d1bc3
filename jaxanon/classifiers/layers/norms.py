"""Normalisation for inference: batch norms with fixed statistics, and layer norm."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxanon.classifiers.layers.leaf import Keys, Leaf, Reader, abstract


def norm_keys(prefix: str, channels: int) -> Keys:
    """Keys and shapes of a batch norm in a state dict, `prefix` being its path."""
    leaves = ("weight", "bias", "running_mean", "running_var")
    return {f"{prefix}.{leaf}": (channels,) for leaf in leaves}


def scale_and_shift(read: Reader, prefix: str, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """A batch norm with fixed statistics as scale and shift, each `(channels,)` float64."""
    gamma, beta, mean, variance = (
        read.array(f"{prefix}.{leaf}").astype(np.float64)
        for leaf in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gamma / np.sqrt(variance + read.eps(eps))
    return scale, beta - mean * scale


@dataclass(frozen=True)
class BatchNorm:
    """A batch norm that follows a layer in timm's model, and is folded into it here.

    Attributes:
        name: attribute name beside the layer; `"../bn1"` lies beside the layer's parent.
        eps: epsilon added to the variance.
    """

    name: str
    eps: float

    def prefix(self, layer: str) -> str:
        """The path of the batch norm, given that of the layer."""
        parent, name = layer.rpartition(".")[0], self.name
        while name.startswith("../"):
            parent, name = parent.rpartition(".")[0], name[3:]
        return f"{parent}.{name}" if parent else name


class Affine(Leaf):
    """A batch norm that cannot be folded, since no convolution precedes it alone."""

    def __init__(self, channels: int, eps: float) -> None:
        self.channels, self.epsilon = channels, eps
        self.scale, self.shift = abstract(channels), abstract(channels)

    def keys(self, name: str) -> Keys:
        return norm_keys(name, self.channels)

    def convert(self, read: Reader, name: str) -> dict[str, np.ndarray]:
        scale, shift = scale_and_shift(read, name, self.epsilon)
        return {"scale": scale, "shift": shift}

    def __call__(self, x: Array) -> Array:
        """Scale and shift the channels of `(batch, height, width, channels)`."""
        return x * self.scale[...][None, None, None] + self.shift[...][None, None, None]


class LayerNorm(Leaf):
    """Layer norm over the last axis (Ba et al., 2016)."""

    def __init__(self, channels: int, eps: float) -> None:
        self.channels, self.epsilon = channels, eps
        self.scale, self.shift = abstract(channels), abstract(channels)

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
