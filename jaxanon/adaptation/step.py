"""The loop's mathematics for one image: start, step, stop. Pure functions, to be vmapped."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike

from jaxanon.adaptation.problem import Problem
from jaxanon.adaptation.settings import Settings


class State(NamedTuple):
    """Where one image stands.

    Attributes:
        delta: `(canvas, 3, canvas)` perturbation, in units of one.
        optimizer: optax's state.
        steps: made so far; int32 scalar.
        done: no further step is wanted; bool scalar.
    """

    delta: Array
    optimizer: Any
    steps: Array
    done: Array


def update_rule(settings: Settings) -> optax.GradientTransformation:
    """Normalise, accumulate, sign, scale.

    Source: Dong et al., "Boosting Adversarial Attacks with Momentum", CVPR 2018 (MI-FGSM); with
    momentum 0 it is the basic iterative method of Kurakin et al., 2016. The norm is Euclidean.
    """
    return optax.chain(
        optax.normalize_by_update_norm(eps=1e-20),
        optax.trace(settings.momentum) if settings.momentum else optax.identity(),
        optax.scale_by_sign(),
        optax.scale(-settings.step / 255),
    )


def init(settings: Settings, delta: Array) -> State:
    """The state before the first step."""
    return State(
        delta=delta,
        optimizer=update_rule(settings).init(delta),
        steps=jnp.int32(0),
        done=jnp.bool_(False),
    )


def levels(room: ArrayLike) -> Array:
    """Whole levels as pixel values, in units of one."""
    return jnp.asarray(room, jnp.float32) / 255


def terminate(problem: Problem, leads: Array, steps: Array) -> Array:
    """True once every source leads by the margin, or the steps are spent."""
    return (leads >= problem.margin).all() | (steps >= problem.steps)


def step(
    settings: Settings, problem: Problem, state: State, gradient: Array, leads: Array
) -> State:
    """Stop at the present perturbation, or move by one gradient step.

    The forward pass that gave the gradient also tells whether to stop, so an image that arrives
    already convinced is left as it is. A state that is done passes unchanged.
    """
    done = state.done | terminate(problem, leads, state.steps)
    updates, optimizer = update_rule(settings).update(gradient, state.optimizer)
    lower, upper = levels(problem.below) * -1, levels(problem.above)
    delta = optax.projections.projection_box(
        optax.apply_updates(state.delta, updates), lower, upper
    )
    moved = State(delta, optimizer, state.steps + 1, done)
    stayed = state._replace(done=done)
    result: State = jax.tree.map(lambda stay, move: jnp.where(done, stay, move), stayed, moved)
    return result
