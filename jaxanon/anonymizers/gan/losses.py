"""The losses of R3GAN and their slopes.

Source: Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024: the
relativistic pairing loss of Jolicoeur-Martineau (ICLR 2019) with zero-centred gradient penalties
on real pictures (R1, Mescheder et al., ICML 2018) and on made ones (R2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

Score = Callable[[Any, Array, Array], Array]
"""(parameters, pictures, masks) -> scores `(batch,)`."""


class Judged(NamedTuple):
    """What the discriminator makes of a batch.

    Attributes:
        loss: relativistic, mean over the pairs.
        r1: mean squared norm of its gradient by real pictures, in [0, 1].
        r2: the same by made ones.
        lead: `(batch,)`, the real picture's score less the made one's.
        slope: `(batch, size, size, 3)`, gradient of each made picture's score by its pixels.
    """

    loss: Array
    r1: Array
    r2: Array
    lead: Array
    slope: Array


def judged(score: Score, params: Any, real: Array, made: Array, mask: Array) -> Judged:
    """Loss and penalties of the discriminator on pairs of a real and a made picture."""

    def sloped(pictures: Array) -> tuple[Array, Array]:
        scores, back = jax.vjp(lambda pixels: score(params, pixels, mask), pictures)
        return scores, back(jnp.ones_like(scores))[0]

    on_real, real_slope = sloped(real)
    on_made, made_slope = sloped(made)
    lead = on_real - on_made
    return Judged(
        jax.nn.softplus(-lead).mean(), squared(real_slope), squared(made_slope), lead, made_slope
    )


def squared(slope: Array) -> Array:
    """Mean over the batch of the squared norm."""
    return jnp.square(slope).sum((1, 2, 3)).mean()


def uphill(lead: Array, slope: Array) -> tuple[Array, Array]:
    """The generator's loss, and its gradient by the made pictures.

    The loss is softplus(lead), the discriminator's with the roles exchanged; its gradient needs
    only the slope that the penalty has computed already.
    """
    weight = -jax.nn.sigmoid(lead) / lead.shape[0]
    return jax.nn.softplus(lead).mean(), weight[:, None, None, None] * slope
