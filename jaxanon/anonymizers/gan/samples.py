"""Grids of samples: what the generator makes of faces that it was not trained on."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from PIL import Image

from jaxanon.anonymizers.gan import masks
from jaxanon.anonymizers.gan.gauges import draw_fills
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.step import Networks

ROWS, SEEDS = 8, 6
TILE = 64
"""Least side of a tile, in pixels; small pictures are enlarged by a whole factor."""


def sample(networks: Networks, settings: TrainingSettings, params: Any, faces: np.ndarray) -> bytes:
    """A PNG with a row per context: the picture without its region, then fills of several seeds.

    The last two rows have another box at random, and no context at all.

    Args:
        networks: both networks without their parameters.
        settings: options of the training.
        params: parameters of the generator.
        faces: `(n, size, size, 3)` uint8, to take contexts from.
    """
    pictures = np.resize(faces, (ROWS, *faces.shape[1:])).astype(np.float32) / 255
    mask = np.repeat(np.asarray(masks.central(settings.size))[None], ROWS, 0)
    mask[-2] = masks.random_mask(jax.random.key(1), settings.size)
    mask[-1] = 1
    columns = [pictures * (1 - mask) + 0.5 * mask]
    for seed in range(SEEDS):
        out = draw_fills(networks, settings, params, pictures, mask, np.uint32(seed))
        columns.append(np.asarray(out))
    return grid(columns)


def grid(columns: Sequence[np.ndarray]) -> bytes:
    """A PNG of columns of pictures, `(rows, size, size, 3)` in [0, 1] each."""
    tiles = np.stack([np.asarray(column) for column in columns], 1)
    rows, across, size = tiles.shape[:3]
    whole = tiles.transpose(0, 2, 1, 3, 4).reshape(rows * size, across * size, 3)
    image = Image.fromarray(np.rint(whole * 255).astype(np.uint8))
    factor = max(1, TILE // size)
    out = io.BytesIO()
    larger = image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
    larger.save(out, "png", optimize=True)
    return out.getvalue()
