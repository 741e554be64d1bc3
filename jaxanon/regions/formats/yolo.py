"""YOLO: a text file per image, a line per object; an empty file says that there is none.

Source: https://docs.ultralytics.com/datasets/. A line is `class x y width height`, centre and size
as shares of the image, perhaps with a confidence after them, or with key points; or it is `class x
y x y x y ...`, a polygon. Classes are named by `classes.txt` beside the file or one folder above,
else by their numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np

from jaxanon.regions.annotation import SLACK, Annotation, path_of
from jaxanon.regions.shapes import AnnotatedShape

log = logging.getLogger("jaxanon")
LONG = 7
"""Words of the shortest line that may be a polygon."""


def reader(paths: Iterable[Path]) -> Callable[[Path, str], Annotation]:
    """What reads each of the files that belong together.

    Lines with key points are all of one length, so lines of several are polygons. Where all have
    the same, either may be meant: then both the box and the polygon count.

    Raises:
        OSError, ValueError: when a file cannot be read.
    """
    lengths = {len(row) for path in paths for row in _rows(path) if len(row) >= LONG}
    if len(lengths) == 1:
        text = "annotations of %d numbers a line: polygons, or boxes with more; both are private"
        log.info(text, lengths.pop() - 1)
        return partial(read, boxes_too=True)
    return partial(read, boxes_too=False)


def read(path: Path, name: str, *, boxes_too: bool) -> Annotation:
    """The annotations of one image.

    Args:
        path: path of the file.
        name: path of the image, with any suffix.
        boxes_too: whether a long line may begin with a box.

    Raises:
        ValueError, OSError: where it is malformed.
    """
    names = _class_names(path)
    shapes = []
    for number, row in enumerate(_rows(path), 1):
        shapes += _shapes(number, row, names, boxes_too=boxes_too)
    return Annotation(path_of(name), tuple(shapes), shares=True)


def _rows(path: Path) -> list[list[str]]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.split() for line in lines if line.strip()]


def _shapes(
    number: int, row: list[str], names: list[str], *, boxes_too: bool
) -> list[AnnotatedShape]:
    """What the line of this number may mean."""
    key, *numbers = row
    values = np.array(numbers, float)
    if len(values) < 4 or not np.isfinite(values).all():
        raise ValueError(f"line {number} is no box and no polygon: {' '.join(row[:8])}")
    label = names[int(key)] if key.isdecimal() and int(key) < len(names) else key
    corners = values[: len(values) // 2 * 2]
    polygon = len(row) >= LONG and _are_shares(corners)
    x, y, width, height = map(float, values[:4])
    box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    shapes = [AnnotatedShape.polygon([corners], label)] if polygon else []
    if not polygon or (boxes_too and _are_shares(np.array(box))):
        if not _are_shares(values[:4]):
            raise ValueError(f"line {number} has numbers outside 0 to 1, which are no shares")
        shapes.append(AnnotatedShape(box, label=label))
    return shapes


def _are_shares(values: np.ndarray) -> bool:
    return bool((np.abs(values - 0.5) <= 0.5 + SLACK).all())


def _class_names(path: Path) -> list[str]:
    for folder in list(path.parents)[:2]:
        file = folder / "classes.txt"
        if file.is_file():
            return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    return []
