"""The private part of an image: a region, and how boxes make one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GROWTH = 0.1
"""Share of its longer side by which a box grows on each side, and which feathers its edge."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge, in pixels of the upright image."""


@dataclass(frozen=True)
class Region:
    """The private part of one image.

    Attributes:
        mask: `(H, W)` bool, where pixels are anonymized and may be adapted; None is everywhere.
        core: `(H, W)` bool, the annotated area before it was grown to `mask`; None is everywhere.
        feather: standard deviation, in pixels, of the soft edge of a blurred region.
        boxes: the boxes that the region is made of, cut off at the image's edges; None where it is
            not made of boxes.
        nothing: whether it is certain that nothing is private: an annotation lists nothing, or a
            search has found nothing.
    """

    mask: np.ndarray | None = None
    core: np.ndarray | None = None
    feather: float = 0.0
    boxes: tuple[Box, ...] | None = None
    nothing: bool = False


def region_from_boxes(
    boxes: Sequence[Box], height: int, width: int, growth: float = GROWTH
) -> Region:
    """What boxes cover of an image, each grown on all sides by a share of its longer one.

    Args:
        boxes: in pixels of the image; empty ones are left out.
        height: height of the image, in pixels.
        width: width of the image, in pixels.
        growth: the share, from 0.

    Raises:
        ValueError: naming a box that lies outside the image.
    """
    mask = np.zeros((height, width), bool)
    core = np.zeros((height, width), bool)
    feather, kept = 0.0, []
    for x0, y0, x1, y1 in boxes:
        if x0 == x1 or y0 == y1:
            continue  # the published file has a few empty boxes; its authors skip them too
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            raise ValueError(f"the box {(x0, y0, x1, y1)} lies outside the {width}x{height} image")
        x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
        grow = growth * max(x1 - x0, y1 - y0)
        core[_window(x0, y0, x1, y1)] = True
        mask[_window(x0 - grow, y0 - grow, x1 + grow, y1 + grow)] = True
        feather = max(feather, grow)
        kept.append((x0, y0, x1, y1))
    return Region(mask, core, feather, tuple(kept), nothing=not boxes)


def centre_in(inner: Box, box: Box) -> bool:
    """Whether the middle of one box lies in another."""
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _window(x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
    """The pixels that a box touches; negative bounds would count from the far end."""
    rows = slice(max(0, int(np.floor(y0))), max(0, int(np.ceil(y1))))
    return rows, slice(max(0, int(np.floor(x0))), max(0, int(np.ceil(x1))))
