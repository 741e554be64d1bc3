"""Boxes as a JSON list, the format of the ImageNet face annotations (Yang et al., 2022).

`[{"url": path, "bboxes": [{"x0": ..., "y0": ..., "x1": ..., "y1": ...}, ...]}, ...]`, or one such
entry on each line of a `.jsonl` file. A box may have a `label`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxanon.regions.annotation import Annotation, path_of
from jaxanon.regions.shapes import AnnotatedShape


def read(entries: Any) -> list[Annotation]:
    """The annotations of a list of entries.

    Raises:
        ValueError: naming the entry that is malformed.
    """
    if not isinstance(entries, list):
        raise ValueError("the top level is not a list")
    return [_read(i, entry) for i, entry in enumerate(entries)]


def _read(index: int, entry: Any) -> Annotation:
    try:
        if not isinstance(entry["bboxes"], list):
            raise TypeError("bboxes is not a list")
        shapes = tuple(_shape(box) for box in entry["bboxes"])
        name = path_of(entry["url"])
    except Exception as error:
        why = str(error) if isinstance(error, MalformedBoxError) else repr(error)
        raise ValueError(f"entry {index} is malformed: {why}") from error
    if not all(np.isfinite(shape.box).all() for shape in shapes):
        raise ValueError(f"entry {index} has a coordinate that is not finite")
    return Annotation(name, shapes)


class MalformedBoxError(TypeError):
    """A box that is not written as it must be."""


def _shape(box: Any) -> AnnotatedShape:
    if not isinstance(box, dict):
        raise MalformedBoxError(f"the box {box} does not name its edges, x0, y0, x1 and y1")
    x0, y0, x1, y1 = (float(box[edge]) for edge in ("x0", "y0", "x1", "y1"))
    label = box.get("label")
    return AnnotatedShape((x0, y0, x1, y1), label=None if label is None else str(label))
