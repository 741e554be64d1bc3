"""One source at a time: a step follows the gradient of a source drawn by the image's own seed.

Several sources then cost as much as one, in time and in memory, and every image still meets all of
them. Images that are to visit one source now are gathered from the slots, run through that network
alone, and put back; those for which there is no room wait a turn, which changes nothing of what
becomes of them.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxanon.adaptation.objective import slopes
from jaxanon.adaptation.problem import Problem
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.classifier import Network
from jaxanon.classifiers.preprocessing import distinct_views

ROUND_KEYS = 2_000_000
"""Added to the number of a round: its order of sources is drawn apart from its transforms."""


class Visits(NamedTuple):
    """What an image has gathered for its next gradient step.

    A step under random transforms takes one visit, one on the image as it is takes one to each
    source.

    Attributes:
        gradient: sum of the gradients so far, `(canvas, 3, canvas)`.
        margin: the smallest margin of the sources visited, see `Slope`; float32 scalar.
        made: visits so far; int32 scalar.
    """

    gradient: Array
    margin: Array
    made: Array


def none_yet(delta: Array) -> Visits:
    """Of an image whose perturbation is `(canvas, 3, canvas)`, before a step."""
    return Visits(jnp.zeros_like(delta), jnp.float32(jnp.inf), jnp.int32(0))


def next_source(seed: Array, steps: Array, made: Array, still: Array, sources: int) -> Array:
    """Which source an image is to visit; int32 scalar.

    In so many steps as there are sources each is visited once, in an order drawn anew each time.

    Args:
        seed: of the image.
        steps: gradient steps made so far.
        made: visits made for the next one.
        still: whether that is made on the image as it is, and so visits all.
        sources: how many there are.
    """
    key = jax.random.fold_in(jax.random.key(seed), ROUND_KEYS + steps // sources)
    order = jax.random.permutation(key, sources)
    return jnp.where(still, made, order[steps % sources]).astype(jnp.int32)


def of_source(problems: Problem, networks: tuple[Network, ...], source: int) -> Problem:
    """Problems of several sources as those of one of them."""
    _, number = distinct_views([network.config for network in networks])
    view = slice(number[source], number[source] + 1)
    decisions = jnp.asarray(problems.decisions)
    return problems._replace(
        views=problems.views[view],
        rows=problems.rows[view],
        columns=problems.columns[view],
        decisions=decisions[:, source : source + 1],
        soft_labels=problems.soft_labels[source : source + 1],
    )


def visit(
    networks: tuple[Network, ...],
    settings: Settings,
    params: tuple[Any, ...],
    images: tuple[Array, Problem, Array, Array],
    done: Array,
    visits: Visits,
) -> Visits:
    """One visit of as many images as there is room for: each source takes its share of the slots.

    Args:
        networks: the sources' networks.
        settings: options of the loop.
        params: the networks' parameters, in the precision of the settings.
        images: deltas, problems, steps and still, as `slopes` takes them; `(slots, ...)` each.
        done: `(slots,)` bool, which images need no further gradient.
        visits: what was gathered so far, stacked.

    Returns:
        What has been gathered now.
    """
    deltas, problems, steps, still = images
    slots, sources = len(deltas), len(networks)
    room = -(-slots // sources)
    choose = partial(next_source, sources=sources)
    wanted = jax.vmap(choose)(jnp.asarray(problems.seed), steps, visits.made, still)
    for source, (network, arrays) in enumerate(zip(networks, params, strict=True)):
        (rows,) = jnp.nonzero((wanted == source) & ~done, size=room, fill_value=slots)
        here = jax.tree.map(
            partial(jnp.take, indices=rows, axis=0, mode="clip"),
            (deltas, of_source(problems, networks, source), steps, still),
        )
        slope = slopes((network,), settings, (arrays,), *here)
        visits = Visits(
            visits.gradient.at[rows].add(slope.gradient, mode="drop"),
            visits.margin.at[rows].min(slope.margins[:, 0], mode="drop"),
            visits.made.at[rows].add(1, mode="drop"),
        )
    return visits
