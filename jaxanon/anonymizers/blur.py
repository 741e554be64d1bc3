"""Gaussian blur."""

from __future__ import annotations

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
from jaxanon.anonymizers.gaussian import gaussian_blur
from jaxanon.anonymizers.strength import scaled, strength_help
from jaxanon.regions.region import Region

LEAST = 0.5
"""Standard deviations in pixels of the image below which blur leaves it all but unchanged."""


@dataclass(frozen=True)
class BlurOptions(AnonymizerOptions):
    """Options of `Blur`.

    Attributes:
        strength: standard deviation, in pixels of an image whose short side has 256.
    """

    strength: float = field(default=6.0, metadata=strength_help("standard deviation"))


@register
class Blur(Anonymizer):
    """Convolves an image with a Gaussian; the edge of a region is soft."""

    name = "blur"
    summary = "Gaussian"
    Options = BlurOptions
    options: BlurOptions

    def __call__(self, original: np.ndarray, region: Region, view: int = 0) -> Anonymized:
        sigma = scaled(self.options.strength, original, least=LEAST, name=self.name)
        hidden = gaussian_blur(original.astype(np.float32), sigma)
        return Anonymized(blended(region, original, hidden, soft=True))

    @classmethod
    def equivalent_blur(cls, recorded: Mapping[str, object]) -> float | None:
        strength = recorded.get("strength")
        return float(str(strength)) if strength else None
