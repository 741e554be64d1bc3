"""Random changes of a view, drawn anew for each gradient step: what makes an image transfer.

Each is a pure function of a view and a key, `(size, size, 3)` -> the same shape.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def resized_diverse_inputs(view: Array, key: Array, strength: float) -> Array:
    """The view, shrunk to a random share of its side and put at a random place on black.

    Source: Zou et al., "Improving the Transferability of Adversarial Examples with
    Resized-Diverse-Inputs, Diversity-Ensemble and Region Fitting", ECCV 2020, after Xie et al.,
    "Improving Transferability of Adversarial Examples with Input Diversity", CVPR 2019. The
    enlargement, padding and reduction that they describe are one linear map; so it is computed.

    Args:
        view: `(size, size, 3)`.
        key: decides scale and place.
        strength: the smallest share is `1 / (1 + strength)`.
    """
    size = view.shape[0]
    for_scale, for_place = jax.random.split(key)
    scale = 1 / (1 + jax.random.uniform(for_scale, (), maxval=strength))
    place = jax.random.uniform(for_place, (2,)) * size * (1 - scale)
    scales = jnp.broadcast_to(scale, (2,))
    moved: Array = jax.image.scale_and_translate(
        view, view.shape, (0, 1), scales, place, method="linear", antialias=True
    )
    return moved
