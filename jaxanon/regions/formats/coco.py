"""COCO's object annotations: boxes, polygons and run-length masks in one JSON file.

Source: https://cocodataset.org/#format-data. A segmentation counts where there is one, else the
box; both where the segmentation does not reach as far. Crowds count like all others. An image
without annotations holds nothing private, where others have some.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxanon.regions.annotation import Annotation, path_of, size_of
from jaxanon.regions.region import Box
from jaxanon.regions.run_lengths import RunLengths
from jaxanon.regions.shapes import AnnotatedShape


def read(data: Mapping[str, Any]) -> list[Annotation]:
    """The annotations of all images.

    Raises:
        ValueError, TypeError, KeyError: where it is malformed.
    """
    categories = {each["id"]: str(each["name"]) for each in data.get("categories", [])}
    shapes: dict[object, list[AnnotatedShape]] = defaultdict(list)
    for number, each in enumerate(data["annotations"]):
        try:
            shapes[each["image_id"]] += _shapes(each, categories)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"annotation {number} is malformed: {error!r}") from error
    if data["images"] and not data["annotations"]:
        raise ValueError(
            "it lists images, and nothing in any of them; where that is so, say it by a list of "
            'boxes: [{"url": "a.jpg", "bboxes": []}]'
        )
    images = {image["id"]: image for image in data["images"]}
    if len(images) < len(data["images"]):
        raise ValueError("two images have the same id")
    if strangers := shapes.keys() - images.keys():
        raise ValueError(f"annotations of image {min(map(str, strangers))}, which is not listed")
    return [
        Annotation(
            path_of(image["file_name"]),
            tuple(shapes[key]),
            size_of(image.get("width"), image.get("height")),
        )
        for key, image in images.items()
    ]


def _shapes(each: Mapping[str, Any], categories: Mapping[object, str]) -> list[AnnotatedShape]:
    """What an annotation shows: its segmentation; its box without one, or where they disagree."""
    key = each.get("category_id")
    label = categories.get(key, None if key is None else str(key))
    segmentation = each.get("segmentation")
    shapes = []
    if isinstance(segmentation, Mapping):
        runs = RunLengths.from_coco(segmentation)
        shapes.append(AnnotatedShape(runs.box, runs=runs, label=label))
    elif segmentation:
        shapes.append(AnnotatedShape.polygon(segmentation, label))
    if not shapes or each.get("bbox"):
        x, y, width, height = map(float, each["bbox"])
        box = AnnotatedShape((x, y, x + width, y + height), label=label)
        if not shapes or not _encloses(shapes[0].box, box.box):
            shapes.append(box)  # they contradict each other: both count
    return shapes


def _encloses(drawn: Box, box: Box) -> bool:
    """Whether a segmentation reaches as far as the box that goes with it."""
    slack = max(2.0, 0.05 * max(box[2] - box[0], box[3] - box[1]))
    return bool(np.all(np.subtract(drawn, box) * (-1, -1, 1, 1) >= -slack))
