"""Anonymized pixels inside a region, the original outside it."""

from __future__ import annotations

import numpy as np

from jaxanon.anonymizers.gaussian import gaussian_blur
from jaxanon.regions.region import Region


def blended(
    region: Region, original: np.ndarray, hidden: np.ndarray, *, soft: bool = False
) -> np.ndarray:
    """Put anonymized pixels into a region of the original, rounded to uint8.

    A soft edge is that of Yang et al., "A Study of Face Obfuscation in ImageNet", ICML 2022: the
    region's mask is blurred too, and weighs blurred against untouched pixels. We part from them
    where the blend would show through: the annotated box itself (`region.core`) is hidden fully.

    Args:
        region: what is private.
        original: `(H, W, 3)` uint8.
        hidden: the whole image anonymized, `(H, W, 3)`, in [0, 255].
        soft: whether the two are blended at the region's edge, as it is done for blur.
    """
    if region.mask is not None:
        weight = region.mask.astype(np.float32)
        if soft and region.feather > 0:
            weight = gaussian_blur(weight[..., None], region.feather)[..., 0]
            weight[region.core] = 1
        hidden = weight[..., None] * hidden + (1 - weight[..., None]) * original.astype(np.float32)
    levels: np.ndarray = np.clip(np.rint(hidden), 0, 255).astype(np.uint8)
    return levels
