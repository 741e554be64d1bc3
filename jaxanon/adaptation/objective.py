"""How far the sources are from their reference decisions, as a function of the perturbation."""

from __future__ import annotations

from functools import partial
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


def views(
    sources: int, settings: Settings, delta: Array, problem: Problem, steps: Array
) -> tuple[Array, ...]:
    """What each of the sources sees of one perturbed image, `(size, size, 3)` each.

    Args:
        sources: their number.
        settings: diversity and precision.
        delta: `(canvas, 3, canvas)` perturbation.
        problem: the image.
        steps: made so far; with the image's seed it determines the random views.
    """
    key = jax.random.fold_in(jax.random.key(problem.seed), steps)
    seen = []
    for i in range(sources):
        with jax.default_matmul_precision("float32"):
            part = jnp.einsum("jck,lk->jcl", delta, problem.columns[i])
            change = jnp.einsum("ij,jcl->icl", problem.rows[i], part)
        view = unit(jnp.asarray(problem.views[i])) + change.swapaxes(1, 2)
        if settings.diversity > 0:
            view = resized_diverse_inputs(view, jax.random.fold_in(key, i), settings.diversity)
        seen.append(view.astype(settings.precision))
    return tuple(seen)


def score(settings: Settings, logits: tuple[Array, ...], problem: Problem) -> tuple[Array, Array]:
    """Loss of one image, summed over the sources not yet convinced, and the leads `(sources,)`."""
    total = jnp.float32(0)
    leads = []
    for scores, decision in zip(logits, jnp.asarray(problem.decisions), strict=True):
        ahead = lead(scores, decision)
        leads.append(ahead)
        total += jnp.where(ahead < problem.margin, loss(settings.loss, scores, decision), 0)
    return total, jnp.stack(leads)


def gradients(
    networks: tuple[Network, ...],
    settings: Settings,
    params: tuple[Any, ...],
    deltas: Array,
    problems: Problem,
    steps: Array,
) -> tuple[Array, Array]:
    """Gradients of the losses by the perturbations, and the leads, for a batch of images.

    The networks stand in a Python loop (stacked under `vmap`, every convolution would turn into a
    grouped one) and take the batch as it is. Images do not mix, so the gradient of the sum of
    losses holds each image's own.

    Args:
        networks: of the sources.
        settings: loss, diversity and precision.
        params: the networks' parameters, in that precision.
        deltas: `(slots, canvas, 3, canvas)`.
        problems: stacked along the first axis, like `steps`.
        steps: made so far.

    Returns:
        Gradients, shaped like `deltas`, and leads `(slots, sources)`.
    """

    def total(deltas: Array) -> tuple[Array, Array]:
        look = partial(views, len(networks), settings)
        seen = jax.vmap(look)(deltas, problems, steps)
        logits = tuple(
            network.apply(arrays, view).astype(jnp.float32)
            for network, arrays, view in zip(networks, params, seen, strict=True)
        )
        losses, leads = jax.vmap(partial(score, settings))(logits, problems)
        return losses.sum(), leads

    with jax.default_matmul_precision("float32"):  # what goes back, too
        gradient, leads = jax.grad(total, has_aux=True)(deltas)
    return gradient, leads
