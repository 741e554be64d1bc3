"""A plain colour in place of what is private."""

from __future__ import annotations

import numpy as np

from jaxanon.anonymizers.anonymizer import Anonymized, Anonymizer, register
from jaxanon.anonymizers.blending import blended
from jaxanon.regions.region import Region

GREY = 128.0
"""The colour, in levels of each channel: the middle of the range."""


@register
class Solid(Anonymizer):
    """Fills with mid-grey: nothing of the region is left."""

    name = "solid"
    summary = "grey"

    def __call__(self, original: np.ndarray, region: Region, view: int = 0) -> Anonymized:
        hidden = np.full(original.shape, GREY, np.float32)
        return Anonymized(blended(region, original, hidden))
