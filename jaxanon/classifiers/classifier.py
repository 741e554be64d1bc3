"""A frozen classifier: a name, a configuration, parameters, and one pure forward function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxanon.classifiers.config import Config


@dataclass(frozen=True, eq=False)
class Classifier:
    """A frozen pretrained network with its own preprocessing.

    Attributes:
        name: `architecture.tag`, as in timm.
        config: input size, crop, interpolation, mean, std, classes, licence.
        graph: the model's static part.
        params: the model's arrays, a pytree.
    """

    name: str
    config: Config
    graph: Any
    params: Any

    @classmethod
    def of(cls, name: str, config: Config, model: nnx.Module) -> Classifier:
        """Take a filled model apart once, so that every call is a plain function of arrays."""
        graph, params = nnx.split(model)
        return cls(name, config, graph, nnx.to_pure_dict(params))

    @property
    def parameters(self) -> int:
        """Number of parameters, batch norm folded."""
        return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(self.params))

    def apply(self, params: Any, pixels: Array) -> Array:
        """Pure forward pass, to be traced inside a larger program.

        Args:
            params: `self.params`; passed in so that it is an argument of the compiled program
                and not a constant inside it.
            pixels: `(batch, size, size, 3)` float32 in [0, 1], not normalised.

        Returns:
            Logits, `(batch, classes)` float32, at full float32 precision on every backend.
        """
        mean = jnp.asarray(self.config.mean, jnp.float32)
        std = jnp.asarray(self.config.std, jnp.float32)
        with jax.default_matmul_precision("float32"):
            model = nnx.merge(self.graph, params)
            logits: Array = model((pixels - mean[None, None, None]) / std[None, None, None])
            return logits

    def logits(self, pixels: Array | np.ndarray) -> Array:
        """Compiled forward pass: `(batch, size, size, 3)` in [0, 1] -> `(batch, classes)`.

        Raises:
            ValueError: when the shape is not the classifier's.
        """
        size = self.config.input_size
        if pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
            raise ValueError(
                f"{self.name}: pixels have shape {pixels.shape}, "
                f"expected (batch, {size}, {size}, 3)"
            )
        return _forward(self, self.params, jnp.asarray(pixels, jnp.float32))


@partial(jax.jit, static_argnums=0)
def _forward(classifier: Classifier, params: Any, pixels: Array) -> Array:
    return classifier.apply(params, pixels)
