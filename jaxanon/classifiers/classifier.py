"""A frozen classifier: a name, a network, and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Union

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array
from jax.sharding import Mesh

from jaxanon.classifiers.config import Config
from jaxanon.errors import UsageError
from jaxanon.runtime.devices import mesh, on_each
from jaxanon.runtime.precision import DECISIONS
from jaxanon.runtime.programs import program

Params = Mapping[str, Union["Params", Array]]
"""The arrays of a network, by the attribute names that lead to them."""


@dataclass(frozen=True)
class Network:
    """The static part of a classifier, compared by value: what a compiled program depends on.

    Attributes:
        config: preprocessing and provenance.
        graph: nnx's graph of the model, without its arrays.
    """

    config: Config
    graph: nnx.GraphDef[nnx.Module]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Computed once: that walks through the whole graph, and each call of a program asks."""
        return hash((self.config, self.graph))

    def apply(self, params: Params, pixels: Array, products: str = DECISIONS) -> Array:
        """Compute logits; a pure function, to be traced inside a larger program.

        Args:
            params: the model's parameters; an argument of the compiled program, not a constant.
            pixels: `(batch, size, size, 3)` float in [0, 1], not normalised.
            products: precision of products of float32 numbers, as `jax.default_matmul_precision`
                names it.

        Returns:
            Logits, `(batch, classes)`. A head with one
            output decides by its sign; it gives two logits whose difference is that output.
        """
        mean = jnp.asarray(self.config.mean, pixels.dtype)
        std = jnp.asarray(self.config.std, pixels.dtype)
        with jax.default_matmul_precision(products):
            model = nnx.merge(self.graph, params)
            logits: Array = model((pixels - mean[None, None, None]) / std[None, None, None])
            if logits.shape[1] == 1:
                logits = jnp.concatenate([-logits / 2, logits / 2], 1)
            return logits


@dataclass(frozen=True, eq=False)
class Classifier:
    """A frozen pretrained network with its own preprocessing.

    Attributes:
        name: `architecture.tag`, as in timm.
        network: the model without its arrays, and its configuration.
        params: the model's arrays, a pytree.
    """

    name: str
    network: Network
    params: Params

    @classmethod
    def from_model(cls, name: str, config: Config, model: nnx.Module) -> Classifier:
        """A classifier from a model with its weights filled in.

        The model is taken apart once, so that every call is a plain function of arrays.
        """
        graph, params = nnx.split(model)
        return cls(name, Network(config, graph), nnx.to_pure_dict(params))

    @property
    def config(self) -> Config:
        """Preprocessing and provenance of the weights."""
        return self.network.config

    @property
    def parameters(self) -> int:
        """Number of parameters, batch norms folded into the layers before them."""
        return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(self.params))

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        from jaxanon.classifiers.notebook import card  # needed by nobody else

        return card(self.name, self.config, self.parameters)

    def logits(self, pixels: Array | np.ndarray) -> Array:
        """Logits of views: `(batch, size, size, 3)` in [0, 1] -> `(batch, classes)`; compiled.

        Raises:
            UsageError: when the views are not numbers, or not of the classifier's input size.
        """
        size = self.config.input_size
        shape: tuple[int, ...] = getattr(pixels, "shape", ())
        if len(shape) != 4 or shape[1:] != (size, size, 3) or pixels.dtype.kind not in "biuf":
            raise UsageError(
                f"{self.name}: pixels have shape {shape}, expected (batch, {size}, {size}, 3) "
                "of numbers"
            )
        logits: Array = forward(
            self.network, mesh(1), self.params, jnp.asarray(pixels, jnp.float32)
        )
        return logits


@program(mesh_at=1, static_argnums=(0, 1))
def forward(network: Network, devices: Mesh, params: Params, pixels: Array) -> Array:
    """Logits of a batch divided among devices; compiled once per network, devices and batch size.

    Args:
        network: the model without its arrays.
        devices: mesh of the devices, whose number must divide the batch.
        params: the model's arrays.
        pixels: `(batch, size, size, 3)`, float32 in [0, 1] or uint8.

    Returns:
        `(batch, classes)` float32.
    """

    def logits(params: Params, pixels: Array) -> Array:
        return network.apply(params, unit(pixels))

    result: Array = on_each(logits, devices)(params, pixels)
    return result


def unit(pixels: Array) -> Array:
    """Pixels as float32 in [0, 1]; those of type uint8 are divided by 255."""
    return pixels.astype(jnp.float32) / 255 if pixels.dtype == jnp.uint8 else pixels
