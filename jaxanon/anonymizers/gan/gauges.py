"""How good fills are, and whether the networks only remember: compared with held-out faces."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxanon.anonymizers.gan import masks
from jaxanon.anonymizers.gan.faces import Faces
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.step import Networks, TrainState

MOST = 64
"""Training faces, and held-out faces, that are compared at most."""
DIRECTIONS = 256
"""Random directions over which the distance of two sets of vectors is averaged."""
LEVELS = np.linspace(0.05, 0.95, 19)
"""Quantiles at which two distributions along a line are compared."""
PATCH = 8
"""Side of the patches of the finer distance, in pixels of a 32-pixel picture."""


def sliced_wasserstein(one: np.ndarray, other: np.ndarray, seed: int = 0) -> float:
    """Sliced Wasserstein distance of two sets of vectors, `(n, length)` and `(m, length)`.

    The mean over random directions of the mean distance of their quantiles along the direction.
    Source: Rabin et al., "Wasserstein Barycenter and Its Application to Texture Mixing", SSVM 2011.
    """
    directions = np.random.default_rng(seed).normal(size=(one.shape[1], DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    gaps = [np.quantile(vectors @ directions, LEVELS, axis=0) for vectors in (one, other)]
    return float(np.abs(gaps[0] - gaps[1]).mean())


def patches(pictures: np.ndarray) -> np.ndarray:
    """Overlapping patches of the central box, each less its own mean, in levels of 255.

    Local contrast, not brightness: as ProGAN's distance (Karras et al., ICLR 2018), which takes
    patches of a Laplacian pyramid.

    Args:
        pictures: `(n, size, size, 3)` in [0, 1].

    Returns:
        `(patches, length)`.
    """
    size = pictures.shape[1]
    side, edge = PATCH * size // 32 or 1, round(size * (1 - masks.USUAL) / 2)
    inner = pictures[:, edge : size - edge, edge : size - edge] * 255.0
    views = np.lib.stride_tricks.sliding_window_view(inner, (side, side), axis=(1, 2))
    views = views[:, :: max(1, side // 4), :: max(1, side // 4)]
    rows = views.reshape(-1, 3 * side * side)
    centred: np.ndarray = rows - rows.mean(1, keepdims=True)
    return centred


@partial(jax.jit, static_argnums=(0, 1))
def draw_fills(
    networks: Networks,
    settings: TrainingSettings,
    params: Any,
    pictures: Array,
    mask: Array,
    seed: Array,
) -> Array:
    """Pictures with their masks filled by the generator: `(n, size, size, 3)` in [0, 1].

    Args:
        networks: both networks without their parameters.
        settings: options of the training.
        params: parameters of the generator.
        pictures: `(n, size, size, 3)` in [0, 1].
        mask: `(n, size, size, 1)`, 1 where to fill, else 0.
        seed: uint32, from which all noise follows.
    """
    noise = jax.random.normal(jax.random.key(seed), (pictures.shape[0], settings.noise))
    return jnp.clip(networks.fill(params, pictures, mask, noise), 0, 1)


class Gauges:
    """Compares the fills and scores of networks with the faces of their training.

    Args:
        networks: both networks without their parameters.
        settings: options of the training.
        faces: training and held-out faces.
    """

    def __init__(self, networks: Networks, settings: TrainingSettings, faces: Faces) -> None:
        self.networks, self.settings = networks, settings
        self.training = faces.training[:MOST].astype(np.float32) / 255
        self.held_out = faces.held_out[:MOST].astype(np.float32) / 255
        self.mask = np.asarray(masks.central(settings.size))
        self._score = jax.jit(networks.score)

    def __call__(self, state: TrainState, seeds: int = 4) -> dict[str, float]:
        """Figures of a state, by name.

        Args:
            state: the state of a training.
            seeds: fills to draw for each held-out face.

        Returns:
            `distance`: distance of fills in held-out contexts to held-out faces, by their
            `patches`, in levels of 255.
            `distance_of_faces`: distance of training faces to held-out ones; no fill need be
            nearer.
            `score_training`, `score_held_out`, `score_fills`: means of the discriminator's scores.
            `overfitting`: how far held-out faces have gone from the training's scores towards the
            fills'; 0 is none, 1 is all the way. Source: Karras et al., "Training Generative
            Adversarial Networks with Limited Data", NeurIPS 2020 (ADA), r_v.
        """
        fakes = np.concatenate([self.fills(state, self.held_out, seed) for seed in range(seeds)])
        real = patches(self.held_out)
        scores = [
            float(self._scores(state, pictures).mean())
            for pictures in (self.training, self.held_out, fakes)
        ]
        gap = scores[0] - scores[2]
        return {
            "distance": sliced_wasserstein(patches(fakes), real),
            "distance_of_faces": sliced_wasserstein(patches(self.training), real),
            "score_training": scores[0],
            "score_held_out": scores[1],
            "score_fills": scores[2],
            "overfitting": (scores[0] - scores[1]) / gap if gap else 0.0,
        }

    def fills(self, state: TrainState, pictures: np.ndarray, seed: int) -> np.ndarray:
        """Pictures with their central box filled by the averaged generator.

        Args:
            state: the state of a training.
            pictures: `(n, size, size, 3)` in [0, 1].
            seed: from 0 to 2**32 - 1; another one draws other fills.

        Returns:
            `(n, size, size, 3)` in [0, 1].
        """
        mask = np.repeat(self.mask[None], len(pictures), 0)
        out = draw_fills(
            self.networks, self.settings, state.average, pictures, mask, np.uint32(seed)
        )
        return np.asarray(out)

    def _scores(self, state: TrainState, pictures: np.ndarray) -> np.ndarray:
        mask = np.repeat(self.mask[None], len(pictures), 0)
        return np.asarray(self._score(state.discriminator, pictures, mask))
