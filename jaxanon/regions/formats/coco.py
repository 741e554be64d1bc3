"""COCO's object annotations: boxes, polygons and run-length masks in one JSON file.

Source: https://cocodataset.org/#format-data. A segmentation counts where there is one, else the
box; crowds count like all others. An image without annotations holds nothing private.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from jaxanon.regions.annotation import Annotation, path_of, size_of
from jaxanon.regions.shapes import AnnotatedShape, has_run_lengths, run_length_box


def read(data: Mapping[str, Any]) -> list[Annotation]:
    """The annotations of all images.

    Raises:
        ValueError, TypeError, KeyError: where it is malformed.
    """
    categories = {each["id"]: str(each["name"]) for each in data.get("categories", [])}
    shapes: dict[object, list[AnnotatedShape]] = defaultdict(list)
    for number, each in enumerate(data["annotations"]):
        try:
            shapes[each["image_id"]].append(_shape(each, categories))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"annotation {number} is malformed: {error!r}") from error
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


def _shape(each: Mapping[str, Any], categories: Mapping[object, str]) -> AnnotatedShape:
    key = each.get("category_id")
    label = categories.get(key, None if key is None else str(key))
    segmentation = each.get("segmentation")
    if isinstance(segmentation, Mapping):
        if not has_run_lengths():
            raise ValueError("run-length masks need a package: pip install 'jaxanon[coco]'")
        return AnnotatedShape(run_length_box(segmentation), runs=segmentation, label=label)
    if segmentation:
        return AnnotatedShape.polygon(segmentation, label)
    x, y, width, height = map(float, each["bbox"])
    return AnnotatedShape((x, y, x + width, y + height), label=label)
