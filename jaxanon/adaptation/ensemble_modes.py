"""How several sources are put together in one step; a new way is a function and a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

Logits = tuple[Array, ...]
"""One image's logits, `(classes,)` of each source."""


class EnsembleMode(NamedTuple):
    """A way to put sources together.

    Attributes:
        combine: `(logits, counts, all_count, key) -> (logits, counts)`: what the losses are
            computed of, and whose losses are summed. `counts` is `(sources,)` bool; `all_count`,
            a bool scalar, says that no source may be left out by chance; `key` is the random key of
            the step.
        equal_classes: whether all sources must have the same classes.
        one_at_a_time: whether a step sees one source, and only that one is computed
            (`jaxanon.adaptation.visits`).
    """

    combine: Callable[[Logits, Array, Array | bool, Array], tuple[Logits, Array]]
    equal_classes: bool = False
    one_at_a_time: bool = False


def sum_of_losses(
    logits: Logits, counts: Array, all_count: Array | bool, key: Array
) -> tuple[Logits, Array]:
    """Each source's own logits, and all of the losses."""
    return logits, counts


def mean_logits(
    logits: Logits, counts: Array, all_count: Array | bool, key: Array
) -> tuple[Logits, Array]:
    """The mean of the sources' logits in place of each one's own."""
    mean = jnp.stack(logits).mean(0)
    return (mean,) * len(logits), counts


def random_subset(
    logits: Logits, counts: Array, all_count: Array | bool, key: Array
) -> tuple[Logits, Array]:
    """Each source's own logits, and the losses of a random half of the sources."""
    return logits, counts & (drawn_half(len(logits), key) | all_count)


def drawn_half(sources: int, key: Array) -> Array:
    """Half of the sources, rounded up, drawn at random; `(sources,)` bool.

    Args:
        sources: number of sources.
        key: random key that decides which.
    """
    order = jax.random.permutation(key, sources)
    return order < (sources + 1) // 2


ENSEMBLE_MODES = {
    "losses": EnsembleMode(sum_of_losses),
    "logits": EnsembleMode(mean_logits, equal_classes=True),
    "subset": EnsembleMode(random_subset),
    "drawn": EnsembleMode(sum_of_losses, one_at_a_time=True),
}
"""Name of a mode in `Settings.ensemble_mode` -> the mode."""
