"""How far the sources are from their reference decisions, as a function of the perturbation."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxanon.adaptation import transforms
from jaxanon.adaptation.dead_leaves import dead_leaves_images
from jaxanon.adaptation.ensemble_modes import ENSEMBLE_MODES
from jaxanon.adaptation.losses import losses_of, margin
from jaxanon.adaptation.problem import Problem
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.classifier import Network, unit
from jaxanon.classifiers.layers.mixup import mixing
from jaxanon.classifiers.preprocessing import distinct_views
from jaxanon.runtime.precision import GRADIENTS

NEIGHBOURHOOD = 1.5
"""Reach of variance tuning, as a multiple of the bound: what Wang and He found best (beta)."""
NEIGHBOUR_KEYS = 1_000_000
"""Added to the number of an evaluation nearby: its place is drawn apart from its transforms."""


class Slope(NamedTuple):
    """What a gradient step needs to know of the place where an image stands.

    Attributes:
        gradient: gradient of the loss by the perturbation, `(canvas, 3, canvas)`.
        margins: by how much each source prefers what the goal asks for, in logits, the smallest
            over the copies; `(sources,)`. Negative where a source does not prefer it.
        variance: mean gradient at places nearby, minus `gradient`; None without variance tuning.
    """

    gradient: Array
    margins: Array
    variance: Array | None


def transformed_views(
    networks: tuple[Network, ...],
    settings: Settings,
    delta: Array,
    problem: Problem,
    still: Array,
    key: Array,
) -> tuple[Array, ...]:
    """What each of the sources sees of one perturbed image, after random transforms.

    Args:
        networks: the sources' networks.
        settings: options of the loop: random transforms and precision.
        delta: `(canvas, 3, canvas)` perturbation.
        problem: the image.
        still: whether to leave out the random transforms; bool scalar.
        key: random key that determines the transforms.

    Returns:
        Per source `(size, size, 3)` of pixels, in the precision of the settings.
    """
    seen = []
    for rows, columns, pixels in zip(problem.rows, problem.columns, problem.views, strict=True):
        with jax.default_matmul_precision(GRADIENTS):
            part = jnp.einsum("jck,lk->jcl", delta, columns)
            change = jnp.einsum("ij,jcl->icl", rows, part)
        seen.append(unit(jnp.asarray(pixels)) + change.swapaxes(1, 2))
    views = []
    _, number = distinct_views([network.config for network in networks])
    for i, view in enumerate(seen[n] for n in number):
        if settings.transforms:
            changed = transforms.changed(settings.transforms, view, jax.random.fold_in(key, i))
            view = jnp.where(still, view, changed)
        views.append(view.astype(settings.precision))
    return tuple(views)


def score(
    settings: Settings, logits: tuple[Array, ...], problem: Problem, still: Array, key: Array
) -> tuple[Array, Array]:
    """Loss of one image, summed over its sources, and their margins.

    Where the image is seen without random transforms, sources that are confident already no longer
    count.

    Args:
        settings: options of the loop: goal, loss and ensemble mode.
        logits: per source `(classes,)`; of labels their distances from the thresholds.
        problem: the image.
        still: whether the image is seen without random transforms; bool scalar.
        key: random key of this evaluation.

    Returns:
        The loss, a float scalar, and `(sources,)` margins, see `Slope`.
    """
    sign = -1 if settings.goal == "avoid" else 1
    decisions, keep = jnp.asarray(problem.decisions), settings.keeping
    margins = sign * jnp.stack([margin(keep, s, d) for s, d in zip(logits, decisions, strict=True)])
    counts = (margins < problem.confidence) | ~still
    mode, loss = ENSEMBLE_MODES[settings.ensemble_mode], losses_of(keep)[settings.loss]
    all_count = still if settings.random else False
    logits, counts = mode.combine(logits, counts, all_count, key)
    losses = jnp.stack(
        [
            loss(scores, decision, jnp.asarray(soft_label))
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
        networks: the sources' networks.
        settings: options of the loop: loss, random transforms, precision.
        params: the networks' parameters, in the precision of the settings.
        deltas: `(slots, canvas, 3, canvas)` perturbations.
        problems: the images, stacked along the first axis.
        still: `(slots,)` bool, which images are looked at without random transforms.
        keys: `(slots,)` random keys, which determine all that is random in this evaluation.

    Returns:
        Gradients, shaped like `deltas`, and margins `(slots, sources)`.
    """
    mixup_chances = jnp.where(still, 0, settings.mixup) if settings.mixup else None

    def total(deltas: Array) -> tuple[Array, Array]:
        look = partial(transformed_views, networks, settings)
        views = jax.vmap(look)(deltas, problems, still, keys)
        for_mixing = jax.vmap(jax.random.fold_in, (0, None))  # views take 0 to len(networks)
        logits = tuple(
            settings.keeping.scores(
                _logits(network, arrays, view, for_mixing(keys, len(networks) + i), mixup_chances),
                network.config,
            )
            for i, (network, arrays, view) in enumerate(zip(networks, params, views, strict=True))
        )
        losses, margins = jax.vmap(partial(score, settings))(logits, problems, still, keys)
        return losses.sum(), margins

    with jax.default_matmul_precision(GRADIENTS):  # what goes back, too
        gradient, margins = jax.grad(total, has_aux=True)(deltas)
    return gradient, margins


def _logits(
    network: Network, params: Any, views: Array, keys: Array, chances: Array | None
) -> Array:
    """One source's logits `(slots, classes)` float32, its features mixed with those of pictures.

    Args:
        network: the source's network.
        params: the network's parameters.
        views: `(slots, size, size, 3)`, what the source sees of each image.
        keys: `(slots,)` random keys of the mixing.
        chances: `(slots,)`, probability with which each layer's output is mixed; None for no
            mixing.
    """
    if chances is None:
        return network.apply(params, views, GRADIENTS).astype(jnp.float32)
    pictures = unit(jnp.asarray(dead_leaves_images(views.shape[1]))).astype(views.dtype)
    images_and_pictures = jnp.concatenate([views, pictures])
    with mixing(chances, keys, len(pictures)):
        logits = network.apply(params, images_and_pictures, GRADIENTS)
        return logits.astype(jnp.float32)[: len(views)]


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

    Averaging over copies is Xie et al.'s and Wang et al.'s way of taking an expectation over
    random transforms. Variance tuning: Wang and He, "Enhancing the Transferability of Adversarial
    Attacks through Variance Tuning", CVPR 2021.

    Args:
        networks: the sources' networks.
        settings: options of the loop.
        params: the networks' parameters, in the precision of the settings.
        deltas: `(slots, canvas, 3, canvas)` perturbations.
        problems: the images, stacked along the first axis.
        steps: `(slots,)` int, gradient steps made so far: they choose what is random in this one.
        still: `(slots,)` bool, which images are looked at without random transforms.
    """
    image_keys = jax.vmap(lambda seed, steps: jax.random.fold_in(jax.random.key(seed), steps))(
        problems.seed, steps
    )

    def keys_of(number: int) -> Array:
        return jax.vmap(jax.random.fold_in, (0, None))(image_keys, number)

    def gradients_at(deltas: Array, evaluation: int) -> tuple[Array, Array]:
        keys = keys_of(evaluation)
        return gradients(networks, settings, params, deltas, problems, still, keys)

    copies = [gradients_at(deltas, copy) for copy in range(settings.num_copies)]
    gradient = jnp.stack([gradient for gradient, _ in copies]).mean(0)
    margins = jnp.stack([margins for _, margins in copies]).min(0)
    if not settings.num_neighbors:
        return Slope(gradient, margins, None)
    nearby = jnp.zeros_like(gradient)
    for evaluation in range(settings.num_copies, settings.gradients):
        keys = keys_of(evaluation + NEIGHBOUR_KEYS)
        reach = NEIGHBOURHOOD * jnp.maximum(problems.below, problems.above).max((1, 2, 3)) / 255
        offset = jax.vmap(partial(jax.random.uniform, shape=deltas.shape[1:], minval=-1.0))(keys)
        neighbours = deltas + reach[:, None, None, None] * offset
        nearby += gradients_at(neighbours, evaluation)[0] / settings.num_neighbors
    return Slope(gradient, margins, nearby - gradient)
