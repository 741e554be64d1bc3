"""Strengths as lengths on the scale of the image: the same number hides as much of any size."""

from __future__ import annotations

import numpy as np

from jaxanon.anonymizers.anonymizer import OptionHelp, described
from jaxanon.errors import ImageError

REFERENCE_SIDE = 256
"""Strengths are lengths in pixels of an image whose short side has so many."""


def strength_help(what: str) -> dict[str, OptionHelp]:
    """Metadata of an option `strength` that is the length `what`."""
    scale = f"in pixels of an image whose short side has {REFERENCE_SIDE}"
    return described(f"{what}, {scale}", "X", float, above=0, at_most=REFERENCE_SIDE)


def scaled(strength: float, image: np.ndarray, *, least: float, name: str) -> float:
    """A strength in pixels of one image.

    Args:
        strength: in pixels of an image whose short side has `REFERENCE_SIDE`.
        image: `(H, W, 3)`.
        least: length in the image's own pixels below which it would stay all but unchanged.
        name: name of the anonymizer, for the error.

    Raises:
        ImageError: when the image is so small that nothing would be hidden.
    """
    height, width = image.shape[:2]
    length: float = strength * min(height, width) / REFERENCE_SIDE
    if length < least:
        raise ImageError(
            f"{width}x{height} pixels; {name} of strength {strength:g} is {length:.2g} pixels "
            "there and hides nothing: give a larger --strength"
        )
    return length
