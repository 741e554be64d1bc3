"""From a PyTorch state dict to the parameters of one of our models, strictly.

Every key of the state dict is used exactly once, every parameter is filled, every shape is
checked, and one error lists all that is wrong. Batch norm is folded into the layer before it, in
float64: `w' = w * gamma / sqrt(var + eps)`, `b' = beta + (b - mean) * gamma / sqrt(var + eps)`.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from jaxanon.classifiers.layers import BatchNorm, Layer
from jaxanon.errors import WeightsError

LISTED = 12


class _Source:
    """Hands out the arrays of a state dict, remembering what was taken and what was wrong."""

    def __init__(self, state: Mapping[str, np.ndarray]) -> None:
        self.state = state
        self.taken: set[str] = set()
        self.problems: list[str] = []

    def take(self, key: str, shape: tuple[int, ...], *, required: bool = True) -> np.ndarray | None:
        if key not in self.state:
            if required:
                self.problems.append(f"missing: {key} {shape}")
            return None
        self.taken.add(key)
        value = self.state[key]
        if value.shape != shape:
            self.problems.append(f"shape: {key} is {value.shape}, the architecture has {shape}")
            return None
        if value.dtype.kind != "f" and value.dtype.name != "bfloat16":
            self.problems.append(f"type: {key} is {value.dtype}, not a float")
            return None
        value = value.astype(np.float64)
        if not np.isfinite(value).all():
            self.problems.append(f"value: {key} is not finite everywhere")
            return None
        return value

    def fold(
        self, prefix: str, norm: BatchNorm, kernel: np.ndarray, bias: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        shape = bias.shape
        gamma, beta, mean, variance = (
            self.take(f"{prefix}.{leaf}", shape)
            for leaf in ("weight", "bias", "running_mean", "running_var")
        )
        self.taken.add(f"{prefix}.num_batches_tracked")  # a training counter, no parameter
        if gamma is None or beta is None or mean is None or variance is None:
            return kernel, bias
        if (variance < 0).any():
            self.problems.append(f"value: {prefix}.running_var has negative entries")
            return kernel, bias
        scale = gamma / np.sqrt(variance + norm.eps)
        across = scale.reshape(-1, *(1,) * (kernel.ndim - 1))
        return kernel * across, beta + (bias - mean) * scale


def port(
    model: nnx.Module,
    state: Mapping[str, np.ndarray],
    what: str,
    dtype: DTypeLike = jnp.float32,
) -> None:
    """Fill `model`, in place, from `state`.

    Args:
        model: a model whose attribute names are those of the state dict (values may be abstract).
        state: name -> array in PyTorch's layouts, of any float type.
        what: what the weights are and where they come from, for the error.
        dtype: of the parameters; float64 only where JAX's 64-bit mode is on.

    Raises:
        WeightsError: listing all missing, unused, misshapen or non-finite entries at once.
    """
    source = _Source(state)
    for path, layer in list(nnx.iter_modules(model)):
        if not isinstance(layer, Layer):
            continue
        parts = [str(part) for part in path]
        name = ".".join(parts)
        outputs = (layer.torch_shape[0],)
        kernel = source.take(f"{name}.weight", layer.torch_shape)
        bias = source.take(f"{name}.bias", outputs, required=layer.norm is None)
        if kernel is None:
            kernel = np.zeros(layer.torch_shape)
        if bias is None:
            bias = np.zeros(outputs)
        if layer.norm is not None:
            prefix = ".".join([*parts[:-1], layer.norm.name])
            kernel, bias = source.fold(prefix, layer.norm, kernel, bias)
        layer.kernel = nnx.Param(jnp.asarray(layer.from_torch(kernel), dtype))
        layer.bias = nnx.Param(jnp.asarray(bias, dtype))
    unused = [key for key in state if key not in source.taken]
    problems = source.problems + [f"unused: {key} {state[key].shape}" for key in unused]
    if problems:
        shown = problems[:LISTED]
        if len(problems) > LISTED:
            shown.append(f"... and {len(problems) - LISTED} more")
        raise WeightsError(
            f"{what}: the weights do not fit the architecture, {len(problems)} "
            f"of {len(state)} keys or parameters differ:\n  " + "\n  ".join(shown)
        )
