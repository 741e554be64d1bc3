"""How far one source is from its reference decision: functions of its logits, to be made small.

A new loss is a function of `(logits, decision, soft_label)` and a row of `LOSSES`; a row of
`OF_SETS`, `OF_ORDERS` or `OF_LABELS`, where it has a meaning for these decisions. Its negative
drives away from the decision (attacks).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax import Array

from jaxanon.classifiers.keeping import TOP1, Keep, Kind, signs

Loss = Callable[[Array, Array, Array], Array]
"""`(logits, decision, soft_label) -> loss`, of one image and one source.

`logits` is `(classes,)`, where labels are kept their distances from the thresholds; `decision` is
the reference decision, int, of the shape that `Keep` gives it; `soft_label` holds
the source's probabilities on the original, `(classes,)`, for the loss `soft` alone, else nothing.
The loss is a float scalar."""


def cross_entropy(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Negative log-probability of the reference decision."""
    return -jax.nn.log_softmax(logits)[decision]


def negative_logit(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Negative logit of the reference decision.

    Source: Zhao et al., "On Success and Simplicity: A Second Look at Transferable Targeted
    Attacks", NeurIPS 2021.
    """
    return -logits[decision]


def negative_margin(keep: Keep) -> Loss:
    """The largest logit that must not be, minus the smallest that is wanted (`Keep.margin`).

    Source: Carlini and Wagner, "Towards Evaluating the Robustness of Neural Networks", S&P 2017.
    """

    def loss(logits: Array, decision: Array, soft_label: Array) -> Array:
        return -margin(keep, logits, decision)

    return loss


def soft_cross_entropy(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Cross-entropy to all probabilities on the original, which tell more than the decision.

    Source: the first term of Hinton et al., "Distilling the Knowledge in a Neural Network", 2015,
    at temperature 1.
    """
    return -(soft_label * jax.nn.log_softmax(logits)).sum()


def order_cross_entropy(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Negative log-probability that classes are drawn in the wanted order, each of those left.

    Source: the Plackett-Luce model, as a loss in Xia et al., "Listwise Approach to Learning to
    Rank: Theory and Algorithm", ICML 2008 (ListMLE); here of the first places, and by their number.
    """
    placed = decision[:, None] == jnp.arange(logits.shape[0])[None]
    left = jnp.cumsum(placed, 0) - placed == 0
    normaliser = jax.nn.logsumexp(jnp.where(left, logits[None], -jnp.inf), axis=1)
    loss: Array = (normaliser - logits[decision]).mean()
    return loss


def label_cross_entropy(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Mean negative log-probability of each label's presence or absence (binary cross-entropy)."""
    return jax.nn.softplus(-signs(decision, logits.shape[0]) * logits).mean()


def label_logit(logits: Array, decision: Array, soft_label: Array) -> Array:
    """Mean logit of the labels that are to be absent and of the others' negatives."""
    mean: Array = (signs(decision, logits.shape[0]) * logits).mean()
    return -mean


def margin(keep: Keep, logits: Array, decision: Array) -> Array:
    """By how much a source prefers its reference decision; positive where it is kept."""
    result: Array = keep.margin(logits, decision, jnp)
    return result


def _mean_of(loss: Loss) -> Loss:
    """A loss of a class as that of a set of classes: the mean over them."""
    return lambda logits, decision, soft_label: loss(logits, decision, soft_label).mean()


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "logit": negative_logit,
    "margin": negative_margin(TOP1),
    "soft": soft_cross_entropy,
}
"""Name of a loss in `Settings.loss` -> the loss."""
OF_SETS: dict[str, Loss] = {
    "cross_entropy": _mean_of(cross_entropy),
    "logit": _mean_of(negative_logit),
    "soft": soft_cross_entropy,
}
OF_ORDERS: dict[str, Loss] = {"cross_entropy": order_cross_entropy, "soft": soft_cross_entropy}
OF_LABELS: dict[str, Loss] = {"cross_entropy": label_cross_entropy, "logit": label_logit}
BY_KIND: dict[Kind, dict[str, Loss]] = {
    "class": LOSSES,
    "set": OF_SETS,
    "order": OF_ORDERS,
    "labels": OF_LABELS,
}


def losses_of(keep: Keep) -> Mapping[str, Loss]:
    """Name of a loss -> the loss, of those that lead to what is to be kept."""
    return {**BY_KIND[keep.kind], "margin": negative_margin(keep)}
