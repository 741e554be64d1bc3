"""Dual averaging: a cell stands where all gradients since the start agree, no sum of steps."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

GROWTH = 1.15
"""By how much the amplitude grows at a step at which a source is not confident."""
DECLINE = 0.95
"""By how much it shrinks at any other. Chosen by hand: the two balance where a source is not
confident at one step in four."""


class Gathered(NamedTuple):
    """What the steps so far have brought together.

    Attributes:
        start: `(canvas, 3, canvas)`, the perturbation from which they began.
        total: the sum of their gradients, of the same shape, earlier ones weighted by the decay.
        squares: the sum of the squares of those gradients, as they are weighted there.
        amplitude: how far a cell moves from the start for gradients that agree by chance alone; 1
            is the range of a pixel; float32 scalar.
    """

    start: Array
    total: Array
    squares: Array
    amplitude: Array


def dual_averaging(
    amplitude: float, decay: float, confidence: float
) -> optax.GradientTransformationExtraArgs:
    """Move each cell from its start by the sum of its gradients over the root of that of squares.

    Gradients that are chance add up to about the root of the sum of their squares, so they move a
    cell by about the amplitude, whether few or many; those that agree move it farther with each
    step. The amplitude follows the sources: it grows at each step at which one of them is not
    confident, up to the bound, and shrinks at others. So hard images are changed more than others.

    Each attempt begins anew where the last one ended, and so do the final steps. Where a step sees
    one source alone, it is that one's confidence that counts.

    Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", JMLR 2011 (its dual averaging); the decay, and the amplitude that
    follows the sources, are ours.

    `update` takes two more arguments, float32 scalars: `margin`, the logits by which the least sure
    source preferred what the goal asks for, where the gradient was taken; `bound`, the largest
    amplitude.

    Args:
        amplitude: that before the first step; 1 is the range of a pixel.
        decay: what of the earlier gradients is left at each step; 1 is all.
        confidence: logits by which each source is to prefer what it is to decide.
    """

    def init(delta: Array) -> Gathered:
        nothing = jnp.zeros_like(delta)
        return Gathered(delta, nothing, nothing, jnp.float32(amplitude))

    def update(
        gradient: Array,
        state: Gathered,
        delta: Array,
        *,
        margin: Array,
        bound: Array,
        **_: Array,
    ) -> tuple[Array, Gathered]:
        total = decay * state.total + gradient
        squares = decay**2 * state.squares + gradient**2
        change = jnp.where(margin < confidence, GROWTH, DECLINE)
        reached = jnp.minimum(state.amplitude * change, bound)
        agreement = total / jnp.sqrt(jnp.maximum(squares, 1e-30))
        moved = state.start - reached * agreement
        return moved - delta, Gathered(state.start, total, squares, reached)

    return optax.GradientTransformationExtraArgs(init, update)
