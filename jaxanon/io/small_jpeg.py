"""Small pictures for pages and notebooks, which carry them in their own text."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

SIDE, QUALITY = 224, 80
"""Pixels of the longer side at most, and JPEG's quality."""


def small_jpeg(pixels: np.ndarray) -> str:
    """A picture, `(H, W, 3)` uint8, as a small JPEG in base64."""
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE), reducing_gap=2)
    buffer = io.BytesIO()
    image.save(buffer, "jpeg", quality=QUALITY)
    return base64.b64encode(buffer.getvalue()).decode()
