"""Annotated areas: boxes, polygons and run-length masks, and the region that they make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from jaxanon.regions.polygons import filled
from jaxanon.regions.region import GROWTH, Box, Region
from jaxanon.regions.run_lengths import RunLengths

FARTHEST = 1e6
"""Coordinates beyond this are a mistake."""


@dataclass(frozen=True)
class AnnotatedShape:
    """An annotated area of an image.

    Attributes:
        box: its left, top, right and bottom edge.
        outlines: corners of the polygons that it is made of, each `(corners, 2)`; empty for a box.
        runs: the mask that it is; None for none.
        label: the category that it is of; None where that is not said.
    """

    box: Box
    outlines: tuple[np.ndarray, ...] = ()
    runs: RunLengths | None = None
    label: str | None = None

    @classmethod
    def polygon(cls, outlines: Iterable[np.ndarray], label: str | None = None) -> AnnotatedShape:
        """The shape of polygons, each `(corners, 2)`.

        Raises:
            ValueError: when one has fewer than three corners, or there is none.
        """
        outlines = tuple(np.asarray(outline, float).reshape(-1, 2) for outline in outlines)
        if not outlines or min(map(len, outlines)) < 3:
            raise ValueError("a polygon has fewer than three corners")
        corners = np.concatenate(outlines)
        (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
        return cls((float(x0), float(y0), float(x1), float(y1)), outlines, label=label)

    def scaled(self, x: float, y: float) -> AnnotatedShape:
        """The shape with its coordinates multiplied, without what rounding adds to a pixel."""
        x0, y0, x1, y1 = (round(e * by, 6) for e, by in zip(self.box, (x, y, x, y), strict=True))
        outlines = tuple(outline * (x, y) for outline in self.outlines)
        return replace(self, box=(x0, y0, x1, y1), outlines=outlines)

    def check(self, height: int, width: int) -> None:
        """Refuse a shape that cannot be in an image of this size.

        Raises:
            ValueError: saying what is wrong with it.
        """
        x0, y0, x1, y1 = self.box
        named = f"the box ({x0:g}, {y0:g}, {x1:g}, {y1:g})"
        if not np.isfinite(self.box).all():
            raise ValueError(f"{named} has a coordinate that is not a finite number")
        if x0 > x1 or y0 > y1:
            raise ValueError(f"{named} is inverted: left and top come before right and bottom")
        if x0 == x1 or y0 == y1:
            raise ValueError(f"{named} is empty")
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            raise ValueError(f"{named} lies outside the {width}x{height} image")
        if self.outlines and max(map(abs, self.box)) > FARTHEST:
            raise ValueError(f"{named} of a polygon is larger than any image")
        if self.runs and (self.runs.height, self.runs.width) != (height, width):
            size = f"{self.runs.width}x{self.runs.height}"
            raise ValueError(f"a run-length mask has {size} pixels, the image {width}x{height}")

    def drawn(self, height: int, width: int) -> np.ndarray:
        """The pixels that it touches, `(height, width)` bool."""
        if self.runs is not None:
            return self.runs.drawn()
        area = np.zeros((height, width), bool)
        if not self.outlines:
            area[_window(*self.box)] = True
            return area
        for outline in self.outlines:
            area |= filled(outline, height, width)
        return area


@dataclass(frozen=True)
class ShapeOptions:
    """How annotated shapes become regions.

    Attributes:
        growth: share of its longer side by which a shape grows on each side.
        classes: categories that are private; None for all. What has no category is private.
        skip_empty: whether empty boxes are left out, rather than refused.
    """

    growth: float
    classes: tuple[str, ...] | None = None
    skip_empty: bool = False


def region_from_shapes(
    shapes: Sequence[AnnotatedShape],
    height: int,
    width: int,
    growth: float = GROWTH,
    *,
    skip_empty: bool = False,
) -> Region:
    """What shapes cover of an image, each grown on all sides by a share of its longer side.

    Args:
        shapes: in pixels of the image.
        height: height of the image, in pixels.
        width: width of the image, in pixels.
        growth: the share, from 0.
        skip_empty: whether empty boxes are left out, rather than refused.

    Raises:
        ValueError: naming a shape that is empty, inverted, not finite, or outside the image.
    """
    mask = np.zeros((height, width), bool)
    core = np.zeros((height, width), bool)
    feather, kept = 0.0, []
    for shape in shapes:
        x0, y0, x1, y1 = shape.box
        if skip_empty and (x0 == x1 or y0 == y1):
            continue
        shape.check(height, width)
        x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
        grow = growth * max(x1 - x0, y1 - y0)
        window = _window(x0 - grow, y0 - grow, x1 + grow, y1 + grow)
        area = shape.drawn(height, width)
        core |= area
        if shape.outlines or shape.runs is not None:
            mask[window] |= ndimage.distance_transform_edt(~area[window]) <= grow
            mask |= area
        else:
            mask[window] = True
        feather = max(feather, grow)
        kept.append((x0, y0, x1, y1))
    return Region(mask, core, feather, tuple(kept), nothing=not shapes)


def region_from_boxes(
    boxes: Iterable[Box], height: int, width: int, growth: float = GROWTH
) -> Region:
    """What boxes cover of an image, see `region_from_shapes`."""
    return region_from_shapes([AnnotatedShape(box) for box in boxes], height, width, growth)


def _window(x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
    """The pixels that a box touches; negative bounds would count from the far end."""
    rows = slice(max(0, int(np.floor(y0))), max(0, int(np.ceil(y1))))
    return rows, slice(max(0, int(np.floor(x0))), max(0, int(np.ceil(x1))))
