"""The loop's mathematics for one image: start, step, stop. Pure functions, to be vmapped."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.typing import ArrayLike

from jaxanon.adaptation.dual_averaging import dual_averaging
from jaxanon.adaptation.objective import Slope
from jaxanon.adaptation.problem import Problem
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.visits import Visits, none_yet
from jaxanon.runtime.precision import GRADIENTS

SQUARES_DECAY = 0.99
"""Decay of the squared gradients by which the rule `adam` divides: some hundred steps, all there
are."""


class State(NamedTuple):
    """Where one image stands between two gradient steps.

    Attributes:
        delta: `(canvas, 3, canvas)` perturbation; 1 is the range of a pixel.
        optimizer: optax's state of the update rule.
        variance: how the last step's gradients nearby differed from its own, see `Slope`; None
            without variance tuning.
        streak: steps in a row in which all sources were confident; int32 scalar.
        settled: whether the image without random transforms made the sources confident when the
            final steps began; bool scalar.
        steps: gradient steps made so far; int32 scalar.
        done: whether no further step is wanted; bool scalar.
        visits: what was gathered for the next step; None where a step sees all sources at once.
    """

    delta: Array
    optimizer: Any
    variance: Array | None
    streak: Array
    settled: Array
    steps: Array
    done: Array
    visits: Visits | None


def smooth(gradient: Array, deviation: float) -> Array:
    """A gradient smoothed by a Gaussian, each channel by itself.

    Source: Dong et al., "Evading Defenses to Transferable Adversarial Examples by
    Translation-Invariant Attacks", CVPR 2019 (TI).

    Args:
        gradient: `(canvas, 3, canvas)`.
        deviation: standard deviation of the Gaussian, in cells of the canvas.
    """
    size = gradient.shape[0]
    distance = np.arange(size)[:, None] - np.arange(size)[None]
    kernel = np.exp(-(distance**2) / (2 * deviation**2))
    kernel /= kernel[size // 2].sum()
    matrix = jnp.asarray(kernel, jnp.float32)
    with jax.default_matmul_precision(GRADIENTS):
        return jnp.einsum("ij,jck,kl->icl", matrix, gradient, matrix)


def proportional() -> optax.GradientTransformation:
    """Divide gradients by the mean size of their entries that are not zero; clip to two.

    Pixels that matter little to the sources stay nearly as they are, where a sign would move them
    as far as all others.
    """

    def update(gradient: Array, _: Any) -> Array:
        size = jnp.abs(gradient).sum() / jnp.maximum(jnp.count_nonzero(gradient), 1)
        return jnp.clip(gradient / (size + 1e-20), -2, 2)

    return optax.stateless(update)


def direction(settings: Settings) -> optax.GradientTransformation:
    """Accumulate gradients; what each cell makes of them, 1 being a whole step.

    Under random transforms the gradients of a cell differ from step to step. A sign moves it as far
    by a gradient that is mostly chance as by one that is always the same; `adam` divides
    their mean by the root of their mean square: a cell moves as far as its gradients agree.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015; for this purpose
    Zou et al., "Making Adversarial Examples More Transferable and Indistinguishable", AAAI 2022.
    """
    if settings.rule == "adam":
        return optax.scale_by_adam(
            b1=settings.momentum, b2=SQUARES_DECAY, eps=1e-20, nesterov=settings.nesterov
        )
    return optax.chain(
        optax.trace(settings.momentum, nesterov=settings.nesterov)
        if settings.momentum
        else optax.identity(),
        optax.scale_by_sign() if settings.rule == "sign" else proportional(),
    )


def update_rule(settings: Settings) -> optax.GradientTransformationExtraArgs:
    """The update rule of the settings: smooth, normalise, accumulate, take the sign, scale.

    With the rules `proportional` and `adam`, `direction` says what stands in place of the sign;
    with `dual_averaging`, steps lead to where all gradients agree.

    Source: Dong et al., "Boosting Adversarial Attacks with Momentum", CVPR 2018 (MI-FGSM); with
    momentum 0 it is the basic iterative method of Kurakin et al., 2016. The norm is Euclidean.
    Nesterov's acceleration (Lin et al., ICLR 2020) in optax's form: the step takes the gradient
    once more in place of evaluating it ahead.
    """
    return optax.chain(
        optax.stateless(lambda g, _: smooth(g, settings.smoothing))
        if settings.smoothing
        else optax.identity(),
        optax.normalize_by_update_norm(eps=1e-20),
        dual_averaging(settings.step_size / 255, settings.momentum, settings.transform_confidence)
        if settings.rule == "dual_averaging"
        else optax.chain(direction(settings), optax.scale(-settings.step_size / 255)),
    )


def init(settings: Settings, delta: Array) -> State:
    """The state of an image before its first step, at the perturbation `(canvas, 3, canvas)`."""
    return State(
        delta=delta,
        optimizer=update_rule(settings).init(delta),
        variance=jnp.zeros_like(delta) if settings.num_neighbors else None,
        streak=jnp.int32(0),
        settled=jnp.bool_(False),
        steps=jnp.int32(0),
        done=jnp.bool_(False),
        visits=none_yet(delta) if settings.draws else None,
    )


def from_levels(levels: ArrayLike) -> Array:
    """Whole levels (1/255) as float32 pixel values, where 1 is the range of a pixel."""
    return jnp.asarray(levels, jnp.float32) / 255


def steps_left(problem: Problem, state: State) -> Array:
    """How many gradient steps an image may still make; int32 scalar."""
    return jnp.asarray(problem.steps) - state.steps


def plain(settings: Settings, problem: Problem, state: State) -> Array:
    """Whether an image's next step looks at the image without random changes; bool scalar."""
    if not settings.random:
        return jnp.asarray(True)
    left = steps_left(problem, state)
    return (left <= problem.unconditional_steps) | ((left <= problem.final_steps) & ~state.settled)


def forgetting(settings: Settings, state: State, when: Array) -> State:
    """The state, with all that steps gather as at the start where `when`, a bool scalar, holds.

    That is momentum, variance, and the gradients and amplitude of dual averaging.
    """
    fresh = init(settings, state.delta)
    optimizer, variance = jax.tree.map(
        partial(jnp.where, when),
        (fresh.optimizer, fresh.variance),
        (state.optimizer, state.variance),
    )
    return state._replace(optimizer=optimizer, variance=variance)


def step(settings: Settings, problem: Problem, state: State, slope: Slope) -> State:
    """An image's state after it stopped at its present perturbation, or made one gradient step.

    The forward pass that gave the gradient also tells whether to stop, so an image whose
    sources are confident on arrival is left as it is. A state that is done passes unchanged.

    It stops once all sources are confident: at once where they see the image as it is, after
    `problem.patience` random transforms in a row else; or once the steps are spent. Where the image
    as it is makes them confident when the final steps begin, it goes on with random transforms
    until the unconditional ones. Steps on the image as it is begin without momentum, averages and
    variance: what the random transforms have accumulated would outvote their few gradients.
    """
    left = steps_left(problem, state)
    confident = (slope.margins >= problem.confidence).all()
    still = plain(settings, problem, state)
    begins_final = left == problem.final_steps
    spared = confident & settings.random & begins_final & (left > problem.unconditional_steps)
    streak = jnp.where(confident, state.streak + 1, 0)
    enough = jnp.where(still, 1, problem.patience)
    done = state.done | ((streak >= enough) & ~spared) | (left <= 0)

    begins = begins_final | (state.settled & (left == problem.unconditional_steps))
    begun = forgetting(settings, state, begins & ~spared) if settings.random else state
    gradient = slope.gradient if begun.variance is None else slope.gradient + begun.variance
    if settings.keep_grey:
        mean = gradient.mean(1, keepdims=True)
        gradient = jnp.where(problem.one_channel, mean, gradient)
    lower, upper = from_levels(problem.below) * -1, from_levels(problem.above)
    room = jnp.maximum(-lower, upper)
    updates, optimizer = update_rule(settings).update(
        jnp.where(room > 0, gradient, 0),
        begun.optimizer,
        state.delta,
        margin=slope.margins.min(),
        bound=room.max(),
    )
    if settings.keep_grey:  # smoothing may have rounded one channel otherwise than another
        updates = jnp.where(problem.one_channel, updates[:, :1], updates)
    delta = optax.projections.projection_box(
        optax.apply_updates(state.delta, updates), lower, upper
    )
    settled = state.settled | spared
    visits = none_yet(delta) if settings.draws else None
    moved = State(delta, optimizer, slope.variance, streak, settled, state.steps + 1, done, visits)
    stayed = state._replace(done=done)
    result: State = jax.tree.map(lambda stay, move: jnp.where(done, stay, move), stayed, moved)
    return result
