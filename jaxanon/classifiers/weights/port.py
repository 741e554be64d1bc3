"""Converting a PyTorch state dict into the parameters of a model, strictly.

Every key of the state dict is used exactly once, every parameter is filled, every shape is
checked, and one error lists all that is wrong. Arrays are converted one layer at a time, so that
the peak of memory stays near the size of the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from jaxanon.classifiers.layers.leaf import Keys, Leaf
from jaxanon.classifiers.weights.naming import TIMM, Translation, untranslated
from jaxanon.errors import WeightsError, printable

LISTED = 5
"""Problems of each kind that an error lists."""
State = Mapping[str, np.ndarray]


class MisfitError(WeightsError):
    """Weights that are readable but do not fit the architecture."""


def leaves(model: nnx.Module) -> dict[str, Leaf]:
    """The modules of a model that have arrays of their own, by path."""
    return {
        ".".join(map(str, path)): module
        for path, module in nnx.iter_modules(model)
        if isinstance(module, Leaf)
    }


def expected(model: nnx.Module) -> Keys:
    """Keys and shapes of the state dict that `model` takes."""
    return {
        key: shape for name, leaf in leaves(model).items() for key, shape in leaf.keys(name).items()
    }


class _Reader:
    """Hands out the arrays of a state dict, remembering what was wrong (zeros stand in for it)."""

    def __init__(self, state: State, translation: Translation, shapes: Keys) -> None:
        self.state, self.translation, self.shapes = state, translation, shapes
        self.problems: list[str] = []

    def eps(self, eps: float) -> float:
        theirs = self.translation.naming.eps
        return eps if theirs is None else theirs

    def array(self, key: str) -> np.ndarray:
        shape = self.shapes[key]
        value = self._checked(key, shape)
        return np.zeros(shape, np.float32) if value is None else value

    def _checked(self, key: str, shape: tuple[int, ...]) -> np.ndarray | None:
        stored = self.translation.stored.get(key)
        if stored is None:
            self.problems.append(f"missing: {key} {shape}")
            return None
        value = self.state[stored]
        if self.translation.naming is not TIMM and _same_but_for_ones(value.shape, shape):
            value = value.reshape(shape)
        if value.shape != shape:
            self.problems.append(f"shape: {key} is {value.shape}, the architecture has {shape}")
            return None
        if not jnp.issubdtype(value.dtype, jnp.floating):
            self.problems.append(f"type: {key} is {value.dtype}, not a float (quantized?)")
            return None
        if value.dtype != np.float64:
            value = value.astype(np.float32, copy=False)
        if not np.isfinite(value).all():
            self.problems.append(f"value: {key} is not finite everywhere")
            return None
        if key.endswith(".running_var") and (value < 0).any():
            self.problems.append(f"value: {key} has negative entries")
            return None
        return value


def port(
    model: nnx.Module,
    state: State,
    what: str,
    translation: Translation | None = None,
    dtype: DTypeLike = jnp.float32,
) -> None:
    """Fill `model`, in place, from `state`.

    Args:
        model: a model with abstract arrays, whose attribute names are timm's.
        state: key -> array in PyTorch's layouts, of any float type.
        what: name and origin of the weights, for the error.
        translation: translation of the keys into timm's; by default they are timm's already.
        dtype: type of the parameters; float64 only where JAX's 64-bit mode is on.

    Raises:
        MisfitError: listing all that is missing, unused, misshapen, not float or not finite.
    """
    shapes = expected(model)
    translation = translation or untranslated(state)
    read = _Reader(state, translation, shapes)
    for name, leaf in leaves(model).items():
        for attribute, value in leaf.convert(read, name).items():
            with np.errstate(over="ignore"):
                filled = np.asarray(value).astype(dtype, copy=False)
            if not np.isfinite(filled).all():
                read.problems.append(f"value: {name} overflows when it is converted")
            setattr(leaf, attribute, nnx.Param(jnp.asarray(filled)))
    used = {translation.stored[key] for key in shapes if key in translation.stored}
    unused = [key for key in translation.names if key not in used]
    problems = read.problems + [f"unused: {key} {state[key].shape}" for key in unused]
    if problems:
        raise MisfitError(
            f"{what}: the weights do not fit the architecture:\n  " + "\n  ".join(_brief(problems))
        )


def _same_but_for_ones(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether two shapes are those of one array, stored by another project and by timm.

    Elsewhere a 1x1 convolution may be a matrix, a scale have axes of one, and a convolution over
    the whole image be a fully connected layer.
    """
    if [n for n in found if n > 1] == [n for n in wanted if n > 1]:
        return True
    return len(found) == 2 and len(wanted) == 4 and found == (wanted[0], int(np.prod(wanted[1:])))


def _brief(problems: list[str]) -> list[str]:
    """The first few problems of each kind, and how many there are."""
    lines = []
    for kind in dict.fromkeys(problem.partition(":")[0] for problem in problems):
        of_kind = [printable(p) for p in problems if p.partition(":")[0] == kind]
        lines += of_kind[:LISTED]
        if len(of_kind) > LISTED:
            lines.append(f"{kind}: ... and {len(of_kind) - LISTED} more")
    return lines
