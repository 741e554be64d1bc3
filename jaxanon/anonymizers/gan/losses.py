"""The losses of R3GAN and their gradients.

Source: Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024: the
relativistic pairing loss of Jolicoeur-Martineau (ICLR 2019) with zero-centred gradient penalties
on real pictures (R1, Mescheder et al., ICML 2018) and on fake ones (R2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

Score = Callable[[Any, Array, Array], Array]
"""(parameters, pictures, masks) -> scores `(batch,)`."""


class DiscriminatorLoss(NamedTuple):
    """Loss and penalties of the discriminator on a batch, and what the generator's loss needs.

    Attributes:
        loss: the relativistic loss, mean over the pairs; a scalar.
        r1: mean squared norm of the score's gradient by real pictures in [0, 1]; a scalar.
        r2: mean squared norm of the score's gradient by fake pictures in [0, 1]; a scalar.
        margin: `(batch,)`, the real picture's score less the fake one's.
        fake_gradient: `(batch, size, size, 3)`, gradient of each fake picture's score by its
            pixels.
    """

    loss: Array
    r1: Array
    r2: Array
    margin: Array
    fake_gradient: Array


def discriminator_loss(
    score: Score, params: Any, real: Array, fake: Array, mask: Array
) -> DiscriminatorLoss:
    """Loss and penalties of the discriminator on pairs of a real and a fake picture.

    Args:
        score: the discriminator as a function of its parameters.
        params: the discriminator's parameters.
        real: `(batch, size, size, 3)` in [0, 1].
        fake: `(batch, size, size, 3)`, the real pictures with their regions filled.
        mask: `(batch, size, size, 1)`, 1 in the regions, else 0.
    """

    def with_gradient(pictures: Array) -> tuple[Array, Array]:
        scores, back = jax.vjp(lambda pixels: score(params, pixels, mask), pictures)
        return scores, back(jnp.ones_like(scores))[0]

    real_scores, real_gradient = with_gradient(real)
    fake_scores, fake_gradient = with_gradient(fake)
    margin = real_scores - fake_scores
    return DiscriminatorLoss(
        loss=jax.nn.softplus(-margin).mean(),
        r1=_mean_squared_norm(real_gradient),
        r2=_mean_squared_norm(fake_gradient),
        margin=margin,
        fake_gradient=fake_gradient,
    )


def _mean_squared_norm(gradient: Array) -> Array:
    return jnp.square(gradient).sum((1, 2, 3)).mean()


def generator_loss(margin: Array, fake_gradient: Array) -> tuple[Array, Array]:
    """The generator's loss, a scalar, and its gradient by the fake pictures.

    The loss is softplus(margin), the discriminator's with the roles exchanged; its gradient needs
    only the gradient of the scores, which the penalty has computed already.

    Args:
        margin: `(batch,)`, as in `DiscriminatorLoss`.
        fake_gradient: `(batch, size, size, 3)`, as in `DiscriminatorLoss`.
    """
    weight = -jax.nn.sigmoid(margin) / margin.shape[0]
    return jax.nn.softplus(margin).mean(), weight[:, None, None, None] * fake_gradient
