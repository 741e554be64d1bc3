"""A trained GAN in use: regions of an image are filled from what surrounds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from jaxanon.anonymizers.gan import checkpoint
from jaxanon.anonymizers.gan.crops import GREY, Crop, enlarge, shrink
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.step import Networks
from jaxanon.errors import UsageError
from jaxanon.runtime.devices import available


class Filler:
    """Fills masked regions with what a generator draws; may be shared by threads.

    Args:
        networks: both networks without their parameters.
        settings: options of the training.
        params: parameters of the generator.
    """

    def __init__(self, networks: Networks, settings: TrainingSettings, params: Any) -> None:
        self.settings = settings
        self._params = jax.device_put(params, available()[0])

        def draw(params: Any, picture: Any, mask: Any, seed: Any, number: Any) -> Any:
            key = jax.random.fold_in(jax.random.key(seed), number)
            noise = jax.random.normal(key, (1, settings.noise))
            return jnp.clip(networks.fill(params, picture[None], mask[None], noise)[0], 0, 1)

        size, word = settings.size, np.uint32(0)
        empty = np.zeros((size, size, 3), np.float32)
        # Compiled here once, since threads that call a function at the same time would each do it.
        self._draw = jax.jit(draw).lower(self._params, empty, empty[..., :1], word, word).compile()

    @classmethod
    def load(cls, folder: Path) -> Filler:
        """The averaged generator of the latest checkpoint that `jaxanon train-gan` has written.

        Raises:
            UsageError: when the folder holds none, or it cannot be read.
        """
        settings = TrainingSettings.from_json(checkpoint.read_settings(folder))
        if not checkpoint.found(folder):
            raise UsageError(
                f"{folder}: the GAN has no checkpoint yet; go on with its training: "
                f"jaxanon train-gan FACES -o {folder} --resume"
            )
        place = jax.sharding.SingleDeviceSharding(available()[0])
        networks, state = checkpoint.load(folder, settings, place)
        return cls(networks, settings, state.average)

    def fill(self, image: np.ndarray, mask: np.ndarray, seed: int) -> np.ndarray:
        """Fill each connected part of a mask with a drawn face.

        All masked pixels are made grey before anything else, so the result depends on the image
        outside the mask, the mask and the seed alone.

        Args:
            image: `(H, W, 3)` uint8.
            mask: `(H, W)` bool, true where to fill.
            seed: integer from 0 to 2**32 - 1; another one draws another face.

        Returns:
            `(H, W, 3)` uint8; outside the mask it is the image, bit by bit.

        Raises:
            UsageError: when an argument has another shape, type or range.
        """
        _check(image, mask, seed)
        hidden = image.copy()
        hidden[mask] = GREY
        out = hidden.copy()
        parts, _ = ndimage.label(mask, structure=np.ones((3, 3)))
        for number, box in enumerate(ndimage.find_objects(parts), 1):
            crop = Crop.around(box, mask.shape)
            square, hole = crop.take(hidden, GREY), crop.take(mask, True)
            picture, small = shrink(square, hole, self.settings.size)
            face = self._draw(self._params, picture, small, np.uint32(seed), np.uint32(number - 1))
            crop.put(out, enlarge(np.asarray(face), crop.side), parts, number)
        return out


def _check(image: np.ndarray, mask: np.ndarray, seed: int) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(
            f"image has shape {image.shape} and type {image.dtype}; give (H, W, 3) of uint8"
        )
    if mask.dtype != bool or mask.shape != image.shape[:2]:
        raise UsageError(
            f"mask has shape {mask.shape} and type {mask.dtype}; give {image.shape[:2]} of bool"
        )
    if not 0 <= seed < 2**32:
        raise UsageError(f"seed is {seed}; it must be from 0 to {2**32 - 1}")
