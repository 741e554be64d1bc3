"""CVAT's XML for images: boxes, polygons, ellipses and masks of all images in one file.

Source: https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/. Of ellipses and masks it is
the box around them that is private.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np

from jaxanon.regions.annotation import Annotation, path_of, size_of
from jaxanon.regions.shapes import AnnotatedShape

WITHOUT_SHAPES = {"tag"}


def read(root: Element) -> list[Annotation]:
    """The annotations of all images.

    Raises:
        ValueError, TypeError: where it is malformed, or of a video.
    """
    if root.find("track") is not None:
        raise ValueError("tracks in a video; export it for images")
    return [_image(element) for element in root.iter("image")]


def _image(element: Element) -> Annotation:
    children = [child for child in element if child.tag not in WITHOUT_SHAPES]
    unclear = [child for child in children if child.tag not in SHAPES]
    return Annotation(
        path_of(element.get("name")),
        tuple(SHAPES[child.tag](child) for child in children if child.tag in SHAPES),
        size_of(element.get("width"), element.get("height")),
        unclear=f"a {unclear[0].tag} has no inside" if unclear else None,
    )


def _numbers(element: Element, *names: str) -> list[float]:
    return [float(element.get(name, "")) for name in names]


def _box(element: Element) -> AnnotatedShape:
    if float(element.get("rotation", 0)):
        raise ValueError("a rotated box; export it as a polygon")
    x0, y0, x1, y1 = _numbers(element, "xtl", "ytl", "xbr", "ybr")
    return AnnotatedShape((x0, y0, x1, y1), label=element.get("label"))


def _polygon(element: Element) -> AnnotatedShape:
    corners = [pair.split(",") for pair in element.get("points", "").split(";")]
    return AnnotatedShape.polygon([np.array(corners, float)], element.get("label"))


def _ellipse(element: Element) -> AnnotatedShape:
    x, y, a, b = _numbers(element, "cx", "cy", "rx", "ry")
    if float(element.get("rotation", 0)):
        a = b = max(a, b)
    return AnnotatedShape((x - a, y - b, x + a, y + b), label=element.get("label"))


def _mask(element: Element) -> AnnotatedShape:
    x, y, width, height = _numbers(element, "left", "top", "width", "height")
    return AnnotatedShape((x, y, x + width, y + height), label=element.get("label"))


SHAPES = {"box": _box, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask}
