"""Pixelation: a mosaic of cells, each of one colour."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from jaxanon.anonymizers.anonymizer import (
    Anonymized,
    Anonymizer,
    AnonymizerOptions,
    register,
)
from jaxanon.anonymizers.blending import blended
from jaxanon.anonymizers.strength import scaled, strength_help
from jaxanon.regions.region import Region

LEAST = 2.0
"""Sides of a cell in pixels of the image below which it stays all but unchanged."""


@dataclass(frozen=True)
class PixelateOptions(AnonymizerOptions):
    """Options of `Pixelate`.

    Attributes:
        strength: side of a cell, in pixels of an image whose short side has 256.
    """

    strength: float = field(default=8.0, metadata=strength_help("side of a cell"))


@register
class Pixelate(Anonymizer):
    """Shows the mean colour of each cell."""

    name = "pixelate"
    summary = "mosaic"
    Options = PixelateOptions
    options: PixelateOptions

    def __call__(self, original: np.ndarray, region: Region, view: int = 0) -> Anonymized:
        cell = scaled(self.options.strength, original, least=LEAST, name=self.name)
        return Anonymized(blended(region, original, mosaic(original.astype(np.float32), cell)))

    @classmethod
    def equivalent_blur(cls, recorded: Mapping[str, object]) -> float | None:
        """The standard deviation of a cell's uniform weight, its side divided by the root of 12."""
        strength = recorded.get("strength")
        return float(str(strength)) / math.sqrt(12) if strength else None


def mosaic(image: np.ndarray, cell: float) -> np.ndarray:
    """Means of cells that tile an image.

    Args:
        image: `(H, W, C)`, of a floating type.
        cell: about the side of a cell, in pixels; a whole number of cells fits on each axis.

    Returns:
        `(H, W, C)`, each cell filled with its mean.
    """
    out = image
    for axis in (0, 1):
        length = image.shape[axis]
        cells = max(1, round(length / cell))
        edges = np.arange(cells + 1) * length // cells
        sizes = np.diff(edges)
        shape = [-1 if a == axis else 1 for a in range(image.ndim)]
        means = np.add.reduceat(out, edges[:-1], axis=axis) / sizes.reshape(shape)
        out = np.repeat(means, sizes, axis=axis)
    return out
