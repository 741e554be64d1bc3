"""One step of training both networks: a pure function, the batch divided among the devices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import Array
from jax.sharding import Mesh, PartitionSpec

from jaxanon.anonymizers.gan import augment, masks
from jaxanon.anonymizers.gan.losses import judged, uphill
from jaxanon.anonymizers.gan.networks import Discriminator, Generator
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.runtime.devices import AXIS

BETAS = (0.0, 0.9)
"""Adam's: those with which R3GAN starts. With its later 0.99, training on few faces blew up."""


class TrainState(NamedTuple):
    """All that the next step needs.

    Attributes:
        generator: its parameters.
        discriminator: its parameters.
        average: the generator's parameters, averaged over the steps: what is used in the end.
        generator_moments: optax's state.
        discriminator_moments: optax's state.
        step: steps made so far; int32 scalar. The random numbers of a step follow from it.
    """

    generator: Any
    discriminator: Any
    average: Any
    generator_moments: Any
    discriminator_moments: Any
    step: Array


@dataclass(frozen=True)
class Networks:
    """The static parts of both networks, compared by value."""

    generator: Any
    discriminator: Any

    def fill(self, params: Any, picture: Array, mask: Array, noise: Array) -> Array:
        """`Generator.__call__` as a pure function of its parameters."""
        out: Array = nnx.merge(self.generator, params)(picture, mask, noise)
        return out

    def score(self, params: Any, picture: Array, mask: Array) -> Array:
        """`Discriminator.__call__` as a pure function of its parameters."""
        out: Array = nnx.merge(self.discriminator, params)(picture, mask)
        return out


def optimizer(settings: TrainingSettings) -> optax.GradientTransformation:
    """Of each network."""
    return optax.adam(settings.rate, *BETAS)


def _made(settings: TrainingSettings) -> tuple[Generator, Discriminator]:
    seed = 2 * settings.seed
    return Generator(settings, nnx.Rngs(seed)), Discriminator(settings, nnx.Rngs(seed + 1))


def abstract_networks(settings: TrainingSettings) -> Networks:
    """The static parts, without computing anything."""
    return Networks(*(nnx.split(each)[0] for each in nnx.eval_shape(lambda: _made(settings))))


def start(settings: TrainingSettings) -> TrainState:
    """The state before the first step, with both networks at their random start."""
    params, critic = (nnx.to_pure_dict(nnx.state(each)) for each in _made(settings))
    adam = optimizer(settings)
    return TrainState(
        generator=params,
        discriminator=critic,
        average=jax.tree.map(jnp.copy, params),
        generator_moments=adam.init(params),
        discriminator_moments=adam.init(critic),
        step=jnp.int32(0),
    )


class Example(NamedTuple):
    """One draw, or a batch of them: a face, its region, and the noise for the fill."""

    picture: Array
    mask: Array
    noise: Array


def drawn(settings: TrainingSettings, faces: Array, key: Array) -> Example:
    """A face at random, changed at random.

    Args:
        settings: of the training.
        faces: `(count, size, size, 3)` uint8.
        key: of this draw.
    """
    which, change, hole, noise = jax.random.split(key, 4)
    face = faces[jax.random.randint(which, (), 0, faces.shape[0])].astype(jnp.float32) / 255
    return Example(
        augment.augmented(change, face),
        masks.drawn(hole, settings.size),
        jax.random.normal(noise, (settings.noise,)),
    )


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def advance(
    networks: Networks, settings: TrainingSettings, mesh: Mesh, state: TrainState, faces: Array
) -> tuple[TrainState, dict[str, Array]]:
    """One simultaneous step of both networks by Adam, and of the average.

    Each picture of the batch has a key of its own: it does not matter which device draws it.

    Args:
        networks: static parts.
        settings: of the training; the mesh's size must divide `batch`.
        mesh: devices, each of which takes its share of the batch.
        state: before the step; its memory is reused.
        faces: `(count, size, size, 3)` uint8, whole on each device.

    Returns:
        The state after it, and scalars: both losses and both penalties.
    """
    key = jax.random.fold_in(jax.random.key(settings.seed), state.step)
    share = jax.shard_map(
        partial(gradients, networks, settings),
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec(AXIS)),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    slopes, values = share(state, faces, jax.random.split(key, settings.batch))
    adam = optimizer(settings)
    down, generator_moments = adam.update(slopes[0], state.generator_moments)
    away, discriminator_moments = adam.update(slopes[1], state.discriminator_moments)
    generator = optax.apply_updates(state.generator, down)
    after = TrainState(
        generator=generator,
        discriminator=optax.apply_updates(state.discriminator, away),
        average=averaged(settings, state, generator),
        generator_moments=generator_moments,
        discriminator_moments=discriminator_moments,
        step=state.step + 1,
    )
    return after, values


def averaged(settings: TrainingSettings, state: TrainState, generator: Any) -> Any:
    """The running average after a step, shorter at the start, when the generator changes most."""
    # Not optax.incremental_update: its 1 - (1 - decay) is not the same number in the first steps.
    decay = jnp.minimum(0.5 ** (1 / settings.half_life), (1 + state.step) / (10 + state.step))
    return jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.average, generator)


def penalty(settings: TrainingSettings, step: Array) -> Array:
    """The weight of the gradient penalties at a step; R3GAN lowers it in the same way."""
    share = jnp.minimum(step / settings.relaxing, 1)
    return settings.penalty * (settings.relaxed / settings.penalty) ** share


def gradients(
    networks: Networks, settings: TrainingSettings, state: TrainState, faces: Array, keys: Array
) -> tuple[tuple[Any, Any], dict[str, Array]]:
    """Both networks' gradients on one device's share of the batch, averaged over the devices."""
    batch = jax.vmap(partial(drawn, settings, faces))(keys)
    made, back = jax.vjp(
        lambda params: networks.fill(params, batch.picture, batch.mask, batch.noise),
        state.generator,
    )

    def objective(params: Any) -> tuple[Array, Any]:
        result = judged(networks.score, params, batch.picture, made, batch.mask)
        return result.loss + penalty(settings, state.step) / 2 * (result.r1 + result.r2), result

    away, result = jax.grad(objective, has_aux=True)(state.discriminator)
    loss, pull = uphill(result.lead, result.slope)
    (down,) = back(pull)
    values = {
        "generator": loss,
        "discriminator": result.loss,
        "r1": result.r1,
        "r2": result.r2,
    }
    averages: tuple[tuple[Any, Any], dict[str, Array]] = jax.lax.pmean(((down, away), values), AXIS)
    return averages
