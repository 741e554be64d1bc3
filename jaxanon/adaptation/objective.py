"""How far the sources are from their reference decisions, as a function of the perturbation."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxanon.adaptation import transforms
from jaxanon.adaptation.dead_leaves import dead_leaves_images
from jaxanon.adaptation.losses import drawn_half, loss, margin
from jaxanon.adaptation.problem import Problem
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.classifier import Network, unit
from jaxanon.classifiers.layers.mixup import mixing

NEIGHBOURHOOD = 1.5
"""Reach of variance tuning, in bounds: what Wang and He found best."""


class Slope(NamedTuple):
    """What a step needs to know of the place where an image stands.

    Attributes:
        gradient: of the loss by the perturbation, shaped like it.
        margins: `(sources,)`, the smallest over the copies; negative where the goal is to avoid the
            decisions and they are still made.
        variance: mean gradient nearby, minus the one here; None without variance tuning.
    """

    gradient: Array
    margins: Array
    variance: Array | None


def transformed_views(
    sources: int, settings: Settings, delta: Array, problem: Problem, still: Array, key: Array
) -> tuple[Array, ...]:
    """What each of the sources sees of one perturbed image, `(size, size, 3)` each.

    Args:
        sources: their number.
        settings: random changes and precision.
        delta: `(canvas, 3, canvas)` perturbation.
        problem: the image.
        still: whether to look at the image as it is; bool scalar.
        key: determines the random changes.
    """
    seen = []
    for i in range(sources):
        with jax.default_matmul_precision("float32"):
            part = jnp.einsum("jck,lk->jcl", delta, problem.columns[i])
            change = jnp.einsum("ij,jcl->icl", problem.rows[i], part)
        view = unit(jnp.asarray(problem.views[i])) + change.swapaxes(1, 2)
        if settings.transforms:
            changed = transforms.changed(settings.transforms, view, jax.random.fold_in(key, i))
            view = jnp.where(still, view, changed)
        seen.append(view.astype(settings.precision))
    return tuple(seen)


def score(
    settings: Settings, logits: tuple[Array, ...], problem: Problem, still: Array, key: Array
) -> tuple[Array, Array]:
    """Loss of one image over its sources, and the margins `(sources,)`.

    Where the image is seen as it is, sources that are convinced already no longer count.
    """
    sign = -1 if settings.goal == "avoid" else 1
    decisions = jnp.asarray(problem.decisions)
    margins = sign * jnp.stack([margin(s, d) for s, d in zip(logits, decisions, strict=True)])
    counts = (margins < problem.confidence) | ~still
    if settings.ensemble_mode == "subset":
        counts &= drawn_half(len(logits), key) | (still if settings.random else False)
    if settings.ensemble_mode == "logits":
        mean = jnp.stack(logits).mean(0)
        logits = (mean,) * len(logits)
    losses = jnp.stack(
        [
            loss(settings.loss, scores, decision, jnp.asarray(soft_label))
            for scores, decision, soft_label in zip(
                logits, decisions, problem.soft_labels, strict=True
            )
        ]
    )
    return jnp.where(counts, sign * losses, 0).sum(), margins


def gradients(
    networks: tuple[Network, ...],
    settings: Settings,
    params: tuple[Any, ...],
    deltas: Array,
    problems: Problem,
    still: Array,
    keys: Array,
) -> tuple[Array, Array]:
    """Gradients of the losses by the perturbations, and the margins, for a batch of images.

    The networks stand in a Python loop (stacked under `vmap`, every convolution would turn into a
    grouped one) and take the batch as it is. Images do not mix, so the gradient of the sum of
    losses holds each image's own.

    Args:
        networks: of the sources.
        settings: loss, random transforms, precision.
        params: the networks' parameters, in that precision.
        deltas: `(slots, canvas, 3, canvas)`.
        problems: stacked along the first axis, like `still` and `keys`.
        still: which images are looked at as they are.
        keys: of this evaluation; they determine all that is random in it.

    Returns:
        Gradients, shaped like `deltas`, and margins `(slots, sources)`.
    """
    chances = jnp.where(still, 0, settings.mixup) if settings.mixup else None

    def total(deltas: Array) -> tuple[Array, Array]:
        look = partial(transformed_views, len(networks), settings)
        seen = jax.vmap(look)(deltas, problems, still, keys)
        for_mixing = jax.vmap(jax.random.fold_in, (0, None))  # views take 0 to len(networks)
        logits = tuple(
            _logits(network, arrays, view, for_mixing(keys, len(networks) + i), chances)
            for i, (network, arrays, view) in enumerate(zip(networks, params, seen, strict=True))
        )
        losses, margins = jax.vmap(partial(score, settings))(logits, problems, still, keys)
        return losses.sum(), margins

    with jax.default_matmul_precision("float32"):  # what goes back, too
        gradient, margins = jax.grad(total, has_aux=True)(deltas)
    return gradient, margins


def _logits(
    network: Network, params: Any, view: Array, keys: Array, chances: Array | None
) -> Array:
    """The source's logits, its features mixed with clean ones with these chances."""
    if chances is None:
        return network.apply(params, view).astype(jnp.float32)
    pictures = unit(jnp.asarray(dead_leaves_images(view.shape[1]))).astype(view.dtype)
    both = jnp.concatenate([view, pictures])
    with mixing(chances, keys, len(pictures)):
        return network.apply(params, both).astype(jnp.float32)[: len(view)]


def slopes(
    networks: tuple[Network, ...],
    settings: Settings,
    params: tuple[Any, ...],
    deltas: Array,
    problems: Problem,
    steps: Array,
    still: Array,
) -> Slope:
    """All gradients that one step takes, put together, for a batch of images.

    `steps`, made so far, choose what is random in it; the other arguments are those of `gradients`.

    Averaging over copies is Xie et al.'s and Wang et al.'s way of taking an expectation over
    random transforms. Variance tuning: Wang and He, "Enhancing the Transferability of Adversarial
    Attacks through Variance Tuning", CVPR 2021.
    """
    own = jax.vmap(lambda seed, steps: jax.random.fold_in(jax.random.key(seed), steps))(
        problems.seed, steps
    )

    def at(deltas: Array, which: int) -> tuple[Array, Array]:
        keys = jax.vmap(jax.random.fold_in, (0, None))(own, which)
        return gradients(networks, settings, params, deltas, problems, still, keys)

    copies = [at(deltas, which) for which in range(settings.num_copies)]
    gradient = jnp.stack([gradient for gradient, _ in copies]).mean(0)
    margins = jnp.stack([margins for _, margins in copies]).min(0)
    if not settings.num_neighbors:
        return Slope(gradient, margins, None)
    nearby = jnp.zeros_like(gradient)
    for which in range(settings.num_copies, settings.gradients):
        keys = jax.vmap(jax.random.fold_in, (0, None))(own, which + 1_000_000)
        reach = NEIGHBOURHOOD * jnp.maximum(problems.below, problems.above).max((1, 2, 3)) / 255
        step = jax.vmap(partial(jax.random.uniform, shape=deltas.shape[1:], minval=-1.0))(keys)
        nearby += at(deltas + reach[:, None, None, None] * step, which)[0] / settings.num_neighbors
    return Slope(gradient, margins, nearby - gradient)
