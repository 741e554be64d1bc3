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
from jaxanon.anonymizers.gan.losses import discriminator_loss, generator_loss
from jaxanon.anonymizers.gan.networks import Discriminator, Generator
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.runtime.devices import AXIS

BETAS = (0.0, 0.9)
"""Adam's decay rates, those with which R3GAN starts.

With its later 0.99, training on few faces blew up.
"""


class TrainState(NamedTuple):
    """All that the next step of a training needs.

    Attributes:
        generator: parameters of the generator.
        discriminator: parameters of the discriminator.
        average: running average of the generator's parameters over the steps: used in the end.
        generator_moments: Adam's state for the generator.
        discriminator_moments: Adam's state for the discriminator.
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
    """Both networks without their parameters, compared by value.

    Attributes:
        generator: nnx's graph of the generator.
        discriminator: nnx's graph of the discriminator.
    """

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
    """Adam, for either network."""
    return optax.adam(settings.rate, *BETAS)


def _build_networks(settings: TrainingSettings) -> tuple[Generator, Discriminator]:
    seed = 2 * settings.seed
    return Generator(settings, nnx.Rngs(seed)), Discriminator(settings, nnx.Rngs(seed + 1))


def abstract_networks(settings: TrainingSettings) -> Networks:
    """Both networks without their parameters; nothing is computed."""
    return Networks(
        *(nnx.split(each)[0] for each in nnx.eval_shape(lambda: _build_networks(settings)))
    )


def initial_state(settings: TrainingSettings) -> TrainState:
    """The state before the first step, with both networks at random parameters."""
    params, critic = (nnx.to_pure_dict(nnx.state(each)) for each in _build_networks(settings))
    adam = optimizer(settings)
    return TrainState(
        generator=params,
        discriminator=critic,
        average=jax.tree.map(jnp.copy, params),
        generator_moments=adam.init(params),
        discriminator_moments=adam.init(critic),
        step=jnp.int32(0),
    )


class TrainingExample(NamedTuple):
    """A face with a region to fill; or a batch of them, with a leading axis.

    Attributes:
        picture: `(size, size, 3)` in [0, 1].
        mask: `(size, size, 1)`, 1 in the region, else 0.
        noise: `(noise,)`, standard normal, from which the generator draws the fill.
    """

    picture: Array
    mask: Array
    noise: Array


def draw_example(settings: TrainingSettings, faces: Array, key: Array) -> TrainingExample:
    """A face at random, changed at random, with a random region.

    Args:
        settings: options of the training.
        faces: `(count, size, size, 3)` uint8, to choose from.
        key: random key.
    """
    which, change, hole, noise = jax.random.split(key, 4)
    face = faces[jax.random.randint(which, (), 0, faces.shape[0])].astype(jnp.float32) / 255
    return TrainingExample(
        augment.augment(change, face),
        masks.random_mask(hole, settings.size),
        jax.random.normal(noise, (settings.noise,)),
    )


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def advance(
    networks: Networks, settings: TrainingSettings, mesh: Mesh, state: TrainState, faces: Array
) -> tuple[TrainState, dict[str, Array]]:
    """One simultaneous step of both networks by Adam, and of the average.

    Each picture of the batch has a key of its own: it does not matter which device draws it.

    Args:
        networks: both networks without their parameters.
        settings: options of the training; the number of devices must divide `batch`.
        mesh: devices, each of which takes its share of the batch.
        state: the state before the step; its memory is reused.
        faces: `(count, size, size, 3)` uint8, whole on each device.

    Returns:
        The state after the step, and scalars by name: both losses and both penalties.
    """
    key = jax.random.fold_in(jax.random.key(settings.seed), state.step)
    shared_gradients = jax.shard_map(
        partial(network_gradients, networks, settings),
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec(), PartitionSpec(AXIS)),
        out_specs=PartitionSpec(),
        check_vma=False,
    )
    keys = jax.random.split(key, settings.batch)
    (generator_gradient, discriminator_gradient), values = shared_gradients(state, faces, keys)
    adam = optimizer(settings)
    generator_update, generator_moments = adam.update(generator_gradient, state.generator_moments)
    discriminator_update, discriminator_moments = adam.update(
        discriminator_gradient, state.discriminator_moments
    )
    generator = optax.apply_updates(state.generator, generator_update)
    after = TrainState(
        generator=generator,
        discriminator=optax.apply_updates(state.discriminator, discriminator_update),
        average=running_average(settings, state, generator),
        generator_moments=generator_moments,
        discriminator_moments=discriminator_moments,
        step=state.step + 1,
    )
    return after, values


def running_average(settings: TrainingSettings, state: TrainState, generator: Any) -> Any:
    """The running average of the generator's parameters after a step.

    It is shorter at the start, when the generator changes most.
    """
    # Not optax.incremental_update: its 1 - (1 - decay) is not the same number in the first steps.
    decay = jnp.minimum(0.5 ** (1 / settings.half_life), (1 + state.step) / (10 + state.step))
    return jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, state.average, generator)


def penalty(settings: TrainingSettings, step: Array) -> Array:
    """The weight of the gradient penalties at a step; R3GAN lowers it in the same way."""
    share = jnp.minimum(step / settings.relaxing, 1)
    return settings.penalty * (settings.relaxed / settings.penalty) ** share


def network_gradients(
    networks: Networks, settings: TrainingSettings, state: TrainState, faces: Array, keys: Array
) -> tuple[tuple[Any, Any], dict[str, Array]]:
    """Both networks' gradients on one device's share of the batch, averaged over the devices.

    Args:
        networks: both networks without their parameters.
        settings: options of the training.
        state: the state before the step.
        faces: `(count, size, size, 3)` uint8.
        keys: random keys, one per picture of this device's share.

    Returns:
        The gradients (generator's, discriminator's), and scalars by name: losses and penalties.
    """
    batch = jax.vmap(partial(draw_example, settings, faces))(keys)
    fake, back = jax.vjp(
        lambda params: networks.fill(params, batch.picture, batch.mask, batch.noise),
        state.generator,
    )

    def objective(params: Any) -> tuple[Array, Any]:
        result = discriminator_loss(networks.score, params, batch.picture, fake, batch.mask)
        return result.loss + penalty(settings, state.step) / 2 * (result.r1 + result.r2), result

    discriminator_gradient, result = jax.grad(objective, has_aux=True)(state.discriminator)
    loss, fake_gradient = generator_loss(result.margin, result.fake_gradient)
    (generator_gradient,) = back(fake_gradient)
    values = {
        "generator": loss,
        "discriminator": result.loss,
        "r1": result.r1,
        "r2": result.r2,
    }
    both = (generator_gradient, discriminator_gradient)
    averages: tuple[tuple[Any, Any], dict[str, Array]] = jax.lax.pmean((both, values), AXIS)
    return averages
