"""Dual averaging: a cell stands where all gradients since the start agree, no sum of steps."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import optax
from jax import Array

GROWTH = 1.15
"""By how much the amplitude grows at a step at which a source is not confident."""
DECLINE = 0.95
"""By how much it shrinks at any other."""


class Gathered(NamedTuple):
    """What the steps so far have brought together.

    Attributes:
        start: `(canvas, 3, canvas)`, the perturbation from which they began.
        total: the sum of their gradients, of the same shape.
        squares: the sum of their squares.
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

    Gradients that are chance add up to about their root mean square, so they move a cell by the
    amplitude, whether few or many; those that agree move it farther with each step. The amplitude
    is as small as the sources allow: it grows while one of them is not confident, up to the bound,
    and shrinks else. So hard images are changed by as much as they need, and others by less.

    Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization", JMLR 2011 (its dual averaging); the amplitude that follows the
    sources is ours.

    `update` takes two more arguments, float32 scalars: `margin`, the logits by which the least sure
    source preferred that, where the gradient was taken; `bound`, the largest amplitude.

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
        reach = jnp.minimum(
            state.amplitude * jnp.where(margin < confidence, GROWTH, DECLINE), bound
        )
        agreement = total / jnp.sqrt(jnp.maximum(squares, 1e-30))
        moved = state.start - reach * agreement
        return moved - delta, Gathered(state.start, total, squares, reach)

    return optax.GradientTransformationExtraArgs(init, update)
