"""What attacks on a view make, as other classifiers see it, and as a photo.

Attacks of other packages take images of a classifier's own input size, so what they make is a view
of a photo, not a photo.
"""

from __future__ import annotations

import numpy as np
from attack_rows import EPS
from PIL import Image

from jaxanon.classifiers.config import Config
from jaxanon.classifiers.preprocessing import FILTERS, crop_start, resized

BICUBIC = FILTERS["bicubic"]


def seen_by(view: np.ndarray, config: Config) -> np.ndarray:
    """A view `(size, size, 3)` uint8 of one classifier as a view of another: resized, not cropped.

    Its own preprocessing would crop once more, and lose what the first crop has left.
    """
    size = config.input_size
    image = Image.fromarray(view).resize((size, size), FILTERS[config.interpolation])
    return np.asarray(image)


def enlarged(
    view: np.ndarray, before: np.ndarray, anonymized: np.ndarray, config: Config
) -> np.ndarray:
    """An anonymized photo with the perturbation that an attack has made of the view of it.

    Args:
        view: `(size, size, 3)` uint8, what the attack made.
        before: `(size, size, 3)` uint8, what it was given.
        anonymized: `(H, W, 3)` uint8, the photo that this is the view of.
        config: preprocessing that made the view.

    Returns:
        `(H, W, 3)` uint8, changed by `EPS` at most, and within the classifier's crop alone.
    """
    height, width = anonymized.shape[:2]
    small_height, small_width = resized(height, width, config.resize)
    size = config.input_size
    edges = []
    for side, small in ((height, small_height), (width, small_width)):
        start = crop_start(small, size)
        edges.append((round(start * side / small), round((start + size) * side / small)))
    (top, bottom), (left, right) = edges
    change = view.astype(np.float32) - before
    photo = anonymized.astype(np.float32)
    for c in range(3):
        channel = Image.fromarray(change[..., c]).resize((right - left, bottom - top), BICUBIC)
        photo[top:bottom, left:right, c] += np.asarray(channel).clip(-EPS, EPS)
    return photo.clip(0, 255).round().astype(np.uint8)
