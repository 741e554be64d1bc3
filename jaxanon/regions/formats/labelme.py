"""LabelMe: a JSON file of shapes per image.

Source: https://github.com/wkentaro/labelme. Of circles and masks it is the box around them that is
private; lines and points have no inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxanon.regions.annotation import Annotation, path_of, size_of
from jaxanon.regions.shapes import AnnotatedShape


def read(data: Any, name: str | None = None) -> Annotation:
    """The annotations of one image.

    Args:
        data: the JSON.
        name: path of the image; by default what the file says.

    Raises:
        ValueError, TypeError, KeyError: where it is malformed.
    """
    if not isinstance(data, Mapping) or not isinstance(data.get("shapes"), list):
        raise ValueError("not LabelMe's JSON: it has no list of shapes")
    kinds = [(each.get("shape_type") or "polygon", each) for each in data["shapes"]]
    unclear = [kind for kind, _ in kinds if kind not in SHAPES]
    return Annotation(
        path_of(name or data["imagePath"]),
        tuple(SHAPES[kind](each) for kind, each in kinds if kind in SHAPES),
        size_of(data.get("imageWidth"), data.get("imageHeight")),
        unclear=f"a {unclear[0]} has no inside" if unclear else None,
    )


def _points(each: Mapping[str, Any]) -> np.ndarray:
    points = np.array(each["points"], float)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError("points are not pairs of numbers")
    return points


def _label(each: Mapping[str, Any]) -> str | None:
    label = each.get("label")
    return None if label is None else str(label)


def _corners(each: Mapping[str, Any]) -> AnnotatedShape:
    """Two opposite corners, in any order."""
    points = _points(each)
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    return AnnotatedShape((float(x0), float(y0), float(x1), float(y1)), label=_label(each))


def _circle(each: Mapping[str, Any]) -> AnnotatedShape:
    (x, y), edge = _points(each)
    radius = float(np.hypot(*(edge - (x, y))))
    box = float(x - radius), float(y - radius), float(x + radius), float(y + radius)
    return AnnotatedShape(box, label=_label(each))


def _polygon(each: Mapping[str, Any]) -> AnnotatedShape:
    return AnnotatedShape.polygon([_points(each)], _label(each))


SHAPES = {"rectangle": _corners, "mask": _corners, "circle": _circle, "polygon": _polygon}
