"""How far a source is from its reference decision, and several sources together."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def margin(logits: Array, decision: Array) -> Array:
    """Logit of the reference decision minus the largest other logit; positive where it is kept."""
    others = jnp.where(jnp.arange(logits.shape[0]) == decision, -jnp.inf, logits)
    return logits[decision] - others.max()


def loss(name: str, logits: Array, decision: Array, soft_label: Array) -> Array:
    """One source's loss, to be made small; its negative drives away from the decision.

    Args:
        name: `cross_entropy`; `margin`, the negative margin (Carlini and Wagner, "Towards
            Evaluating the Robustness of Neural Networks", S&P 2017); `logit`, the negative logit of
            the decision (Zhao et al., "On Success and Simplicity: A Second Look at Transferable
            Targeted Attacks", NeurIPS 2021); or `soft`, the cross-entropy to all probabilities on
            the original (the first term of Hinton et al., "Distilling the Knowledge in a Neural
            Network", 2015, at temperature 1).
        logits: `(classes,)`.
        decision: the reference decision.
        soft_label: `(classes,)` probabilities on the original, for `soft`; else empty.
    """
    if name == "margin":
        return -margin(logits, decision)
    if name == "logit":
        return -logits[decision]
    if name == "soft":
        return -(soft_label * jax.nn.log_softmax(logits)).sum()
    return -jax.nn.log_softmax(logits)[decision]


def drawn_half(sources: int, key: Array) -> Array:
    """Which sources count at this step, `(sources,)` bool: half of them, rounded up, at random."""
    order = jax.random.permutation(key, sources)
    return order < (sources + 1) // 2
