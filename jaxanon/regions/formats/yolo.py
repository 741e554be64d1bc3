"""YOLO: a text file per image, a line per object; an empty file says that there is none.

Source: https://docs.ultralytics.com/datasets/. A line is `class x y width height`, centre and size
as shares of the image, perhaps with a confidence after them, or `class x y x y x y ...`, a polygon.
Classes are named by `classes.txt` beside the file or one folder above, else by their numbers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxanon.regions.annotation import SLACK, Annotation, path_of
from jaxanon.regions.shapes import AnnotatedShape


def read(path: Path, name: str) -> Annotation:
    """The annotations of one image.

    Args:
        path: path of the file.
        name: path of the image, with any suffix.

    Raises:
        ValueError, OSError: where it is malformed.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    names = _class_names(path)
    rows = [line.split() for line in lines if line.strip()]
    shapes = tuple(_shape(number, row, names) for number, row in enumerate(rows, 1))
    return Annotation(path_of(name), shapes, shares=True)


def _shape(number: int, row: list[str], names: list[str]) -> AnnotatedShape:
    key, *numbers = row
    values = np.array(numbers, float)
    polygon = len(values) >= 6 and len(values) % 2 == 0
    if not polygon and len(values) not in (4, 5):
        raise ValueError(f"line {number} has {len(row)} numbers")
    if not (np.abs(values - 0.5) <= 0.5 + SLACK).all():
        raise ValueError(f"line {number} has numbers outside 0 to 1, which are no shares")
    label = names[int(key)] if key.isdigit() and int(key) < len(names) else key
    if polygon:
        return AnnotatedShape.polygon([values], label)
    x, y, width, height = map(float, values[:4])
    box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    return AnnotatedShape(box, label=label)


def _class_names(path: Path) -> list[str]:
    for folder in list(path.parents)[:2]:
        file = folder / "classes.txt"
        if file.is_file():
            return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    return []
