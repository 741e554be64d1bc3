"""How far the sources are from their reference decisions, as a function of the perturbation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxanon.adaptation.problem import Problem
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.transforms import resized_diverse_inputs
from jaxanon.classifiers.classifier import Network, unit


def lead(logits: Array, decision: Array) -> Array:
    """Logit of the reference decision minus the largest other logit; positive where it is kept."""
    others = jnp.where(jnp.arange(logits.shape[0]) == decision, -jnp.inf, logits)
    return logits[decision] - others.max()


def loss(name: str, logits: Array, decision: Array) -> Array:
    """Cross-entropy, or the (negative) lead: Carlini and Wagner's margin, S&P 2017."""
    if name == "margin":
        return -lead(logits, decision)
    return -jax.nn.log_softmax(logits)[decision]


def objective(
    networks: tuple[Network, ...],
    settings: Settings,
    params: tuple[Any, ...],
    delta: Array,
    problem: Problem,
    steps: Array,
) -> tuple[Array, Array]:
    """Loss and leads for one image.

    Args:
        networks: of the sources, in a Python loop (stacked under `vmap`, every convolution would
            turn into a grouped one).
        settings: loss, diversity and precision.
        params: the networks' parameters, in that precision.
        delta: `(canvas, canvas, 3)` perturbation.
        problem: the image.
        steps: made so far; with the image's seed it determines the random views.

    Returns:
        The loss, summed over the sources that are not yet convinced, and the leads `(M,)`.
    """
    key = jax.random.fold_in(jax.random.key(problem.seed), steps)
    total = jnp.float32(0)
    decisions = jnp.asarray(problem.decisions)
    leads = []
    for i, network in enumerate(networks):
        with jax.default_matmul_precision("float32"):
            change = jnp.einsum(
                "ij,jkc,lk->ilc", problem.rows[i], delta, problem.columns[i], optimize=True
            )
        view = unit(jnp.asarray(problem.views[i])) + change
        if settings.diversity > 0:
            view = resized_diverse_inputs(view, jax.random.fold_in(key, i), settings.diversity)
        view = view.astype(settings.precision)
        logits = network.apply(params[i], view[None])[0].astype(jnp.float32)
        ahead = lead(logits, decisions[i])
        leads.append(ahead)
        wanting = ahead < problem.margin
        total += jnp.where(wanting, loss(settings.loss, logits, decisions[i]), 0)
    return total, jnp.stack(leads)
