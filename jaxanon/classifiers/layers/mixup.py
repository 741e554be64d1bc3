"""Clean feature mixup: features of images, mixed with those of other pictures.

Source: Byun et al., "Introducing Competition to Boost the Transferability of Targeted Adversarial
Examples through Clean Feature Mixup", CVPR 2023 (CFM). There the other pictures are neighbours in
the batch; here they follow the images in it, and are the same for all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array

MOST = 0.75
"""Largest share of the other picture's features, as in the paper."""


@dataclass
class _Mixing:
    chances: Array
    keys: Array
    pictures: int
    layers: int = 0


_active: ContextVar[_Mixing | None] = ContextVar("mixing", default=None)


@contextmanager
def mixing(chances: Array, keys: Array, pictures: int) -> Iterator[None]:
    """Mix the outputs of the layers of a forward pass that is traced in the `with` block.

    Args:
        chances: `(images,)` in [0, 1], the chance that an image's features are mixed in a layer.
        keys: random keys, one per image; the batch holds that many images, then the pictures.
        pictures: number of pictures to mix in.
    """
    token = _active.set(_Mixing(chances, keys, pictures))
    try:
        yield
    finally:
        _active.reset(token)


def mixed(features: Array) -> Array:
    """A layer's output, `(images and pictures, ..., channels)`, mixed within a `mixing` block.

    Each image's features move towards those of one picture drawn at random, by a share drawn for
    each channel. Nothing flows back into the pictures. A layer that sees windows of its images one
    by one has the windows of one image next to each other along the first axis.
    """
    state = _active.get()
    if state is None:
        return features
    state.layers += 1
    count = len(state.keys)
    whole = features.reshape(count + state.pictures, -1, *features.shape[1:])
    images, pictures = whole[:count], jax.lax.stop_gradient(whole[count:])
    keys = jax.vmap(jax.random.fold_in, (0, None))(state.keys, state.layers)

    def one(image: Array, key: Array, likely: Array) -> Array:
        chance, for_share, for_choice = jax.random.split(key, 3)
        on = jax.random.uniform(chance) < likely
        share = jnp.where(on, jax.random.uniform(for_share, image.shape[-1:], maxval=MOST), 0)
        share = jnp.expand_dims(share.astype(image.dtype), range(image.ndim - 1))
        other = pictures[jax.random.randint(for_choice, (), 0, len(pictures))]
        return (1 - share) * image + share * other

    result = jnp.concatenate([jax.vmap(one)(images, keys, state.chances), whole[count:]])
    return result.reshape(features.shape)
