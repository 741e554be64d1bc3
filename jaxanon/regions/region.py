"""The private part of an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GROWTH = 0.1
"""Share of its longer side by which a shape grows on each side, and which feathers its edge."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge, in pixels of the upright image."""


@dataclass(frozen=True)
class Region:
    """The private part of one image.

    Attributes:
        mask: `(H, W)` bool, where pixels are anonymized and may be adapted; None is everywhere.
        core: `(H, W)` bool, the annotated area before it was grown to `mask`; None is everywhere.
        feather: standard deviation, in pixels, of the soft edge of a blurred region.
        boxes: the boxes around the shapes that the region is made of, cut off at the image's edges;
            None where it is not made of shapes.
        nothing: whether it is certain that nothing is private: an annotation lists nothing, or a
            search has found nothing.
    """

    mask: np.ndarray | None = None
    core: np.ndarray | None = None
    feather: float = 0.0
    boxes: tuple[Box, ...] | None = None
    nothing: bool = False


def centre_in(inner: Box, box: Box) -> bool:
    """Whether the middle of one box lies in another."""
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
