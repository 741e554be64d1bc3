"""How far one source is from its reference decision: functions of its logits, to be made small.

A new loss is a function of `(logits, decision, soft_label)` and a row of `LOSSES`. Its negative
drives away from the decision (attacks).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

Loss = Callable[[Array, Array, Array], Array]
"""`(logits, decision, soft_label) -> loss`, of one image and one source.

`logits` is `(classes,)`; `decision` is the reference decision, an int scalar; `soft_label` holds
the source's probabilities on the original, `(classes,)`, for the loss `soft` alone, else nothing.
The loss is a float scalar."""


def margin(logits: Array, decision: Array) -> Array:
    """Logit of the reference decision minus the largest other logit; positive where it is kept."""
    others = jnp.where(jnp.arange(logits.shape[0]) == decision, -jnp.inf, logits)
    return logits[decision] - others.max()


def cross_entropy(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Negative log-probability of the reference decision."""
    return -jax.nn.log_softmax(logits)[decision]


def negative_logit(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Negative logit of the reference decision.

    Source: Zhao et al., "On Success and Simplicity: A Second Look at Transferable Targeted
    Attacks", NeurIPS 2021.
    """
    return -logits[decision]


def negative_margin(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Largest other logit minus that of the reference decision.

    Source: Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", S&P 2017.
    """
    return -margin(logits, decision)


def soft_cross_entropy(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Cross-entropy to all probabilities on the original, which tell more than the decision.

    Source: the first term of Hinton et al., "Distilling the Knowledge in a Neural Network", 2015,
    at temperature 1.
    """
    return -(soft_label * jax.nn.log_softmax(logits)).sum()


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "logit": negative_logit,
    "margin": negative_margin,
    "soft": soft_cross_entropy,
}
"""Name of a loss in `Settings.loss` -> the loss."""
