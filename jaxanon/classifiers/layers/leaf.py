"""Modules with arrays of their own, and how a PyTorch state dict stores these.

A leaf names the keys that it takes (`keys`) and turns them into its own arrays (`convert`), so that
the converter in `port.py` needs no table of names: the attribute names of a model *are* timm's.
Arrays are abstract (shape and type only) until the port fills them.
"""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

Keys = dict[str, tuple[int, ...]]
"""Key of a state dict -> shape of its array."""


class Reader(Protocol):
    """A state dict whose arrays are checked as they are read."""

    def array(self, key: str) -> np.ndarray:
        """The array of a key, shaped as `Leaf.keys` states: float32, or float64 as stored."""
        ...

    def eps(self, eps: float) -> float:
        """The epsilon of a batch norm in this state dict's project; `eps` is timm's."""
        ...


class Leaf(nnx.Module):
    """A module with arrays of its own."""

    def keys(self, name: str) -> Keys:
        """Keys and shapes of the state dict that this module takes, `name` being its path."""
        raise NotImplementedError

    def convert(self, read: Reader, name: str) -> dict[str, np.ndarray]:
        """Read this module's arrays, by attribute, from a state dict; `name` is its path there."""
        raise NotImplementedError


def abstract(*shape: int) -> nnx.Param[Any]:
    """A float32 parameter without values, to be filled when weights are converted."""
    return nnx.Param(jax.ShapeDtypeStruct(shape, jnp.float32))


class Parameter(Leaf):
    """A bare array of parameters, stored under the module's own path."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape
        self.value = abstract(*shape)

    def keys(self, name: str) -> Keys:
        return {name: self.shape}

    def convert(self, read: Reader, name: str) -> dict[str, np.ndarray]:
        return {"value": read.array(name)}

    def __call__(self) -> Array:
        """The array of parameters."""
        value: Array = self.value[...]
        return value
