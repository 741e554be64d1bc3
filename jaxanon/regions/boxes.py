"""Boxes around what is private: their file, and regions by it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from jaxanon.errors import ImageError, UsageError
from jaxanon.regions.region import Box, Region, region_from_boxes

_VALIDATION = re.compile(r"ILSVRC2012_val_\d{8}")
"""Images are sorted into folders of classes where they are used, and not in the annotations."""


class BoxFile:
    """Boxes in the format of the ImageNet face annotations (Yang et al., 2022).

    A list of `{"url": path, "bboxes": [{"x0": ..., "y0": ..., "x1": ..., "y1": ...}, ...]}` in
    pixels of the upright image. An image is found by its path below the input folder, its suffix
    left out, or by the end of the entry's path (so that `val/a.jpg` finds `a.jpg`), if that is
    unambiguous; the name of an image of ImageNet's validation set is enough, whatever its folder.

    Args:
        option: the command line's option that names the file, for errors.
        path: path of the file.
        inputs: paths of all images below the input folder, none of which may get the boxes of
            another.
        exact: whether only the whole path finds an image: a box that is taken for another
            image's must not expose anybody.

    Raises:
        UsageError: naming the option and the file, when it does not exist or has another format.
    """

    def __init__(
        self, option: str, path: Path, inputs: Sequence[PurePath] = (), *, exact: bool = False
    ) -> None:
        self.path, self.exact = path, exact
        self.whole = {_key(relative) for relative in inputs}
        if not path.is_file():
            raise UsageError(f"{option} {path}: no such file")
        self.boxes: dict[str, list[Box]] = {}
        self.by_name: dict[str, list[str]] = {}
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(entries, list):
                raise ValueError("the top level is not a list")
            for i, entry in enumerate(entries):
                self._read(i, entry)
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(
                f"{option} {path}: not a boxes file ({error}); expected "
                '[{"url": "a.jpg", "bboxes": [{"x0": 1, "y0": 2, "x1": 30, "y1": 40}]}, ...]'
            ) from error
        self.claims = Counter(key for relative in set(inputs) for key in self._keys(relative))

    def _read(self, index: int, entry: Any) -> None:
        try:
            key = _key(Path(entry["url"]))
            boxes = [_box(box) for box in entry["bboxes"]]
            if not isinstance(entry["bboxes"], list):
                raise TypeError("bboxes is not a list")
        except Exception as error:
            raise ValueError(f"entry {index} is malformed: {error!r}") from error
        if not np.isfinite(boxes).all():
            raise ValueError(f"entry {index} has a coordinate that is not finite")
        self.boxes[key] = self.boxes.get(key, []) + boxes
        self.by_name.setdefault(Path(key).name, []).append(key)

    def boxes_for(self, relative: PurePath) -> list[Box] | None:
        """The boxes of an image, by its path below the input folder; None without an entry.

        Raises:
            ImageError: when several entries have its name, or another input's is the same.
        """
        keys = self._keys(relative)
        if len(keys) > 1 or any(self.claims[key] > 1 for key in keys):
            which = f"{len(keys)} entries" if len(keys) > 1 else "an entry of several inputs"
            raise ImageError(
                f"{relative}: {which} of that name in {self.path}; nothing was "
                "anonymized, so nothing was written (give the entries their whole paths)"
            )
        return self.boxes[keys.pop()] if keys else None

    def unused(self, inputs: Iterable[PurePath]) -> list[str]:
        """The entries that are of none of the inputs, named by their paths below the folder."""
        return sorted(set(self.boxes).difference(*map(self._keys, inputs)))

    def _keys(self, relative: PurePath) -> set[str]:
        """The entries that may be an image's."""
        key = _key(relative)
        if key in self.boxes:
            return {key}
        if self.exact:
            return set()
        found = set(self.by_name.get(relative.stem, [])) - self.whole
        anywhere = _VALIDATION.fullmatch(relative.stem)
        return {other for other in found if anywhere or other.endswith("/" + key)}


class BoxRegions:
    """Finds an image's region in a file of boxes.

    Args:
        file: names the boxes of each image; one without an entry is refused.
        growth: share of its longer side by which a box grows on each side.
    """

    def __init__(self, file: BoxFile, growth: float) -> None:
        self.file, self.growth = file, growth

    def __call__(self, relative: PurePath, original: np.ndarray) -> Region:
        """The region of an image `(H, W, 3)` uint8, by its path below the input folder.

        Raises:
            ImageError: when the file has no boxes for it, or they do not fit.
        """
        boxes = self.file.boxes_for(relative)
        if boxes is None:
            raise ImageError(
                f"{relative}: no entry in {self.file.path}; nothing was anonymized, so nothing was "
                "written (list an image that has nothing private with empty bboxes)"
            )
        return checked_region(relative, boxes, original, self.growth, self.file)


def checked_region(
    relative: PurePath,
    boxes: Sequence[Box],
    original: np.ndarray,
    growth: float,
    file: BoxFile | None = None,
) -> Region:
    """The region of boxes in an image, with errors that name the image.

    Args:
        relative: path of the image below the input folder.
        boxes: in pixels of the image.
        original: `(H, W, 3)` uint8.
        growth: share of its longer side by which a box grows on each side.
        file: where the boxes are from, for the error.

    Raises:
        ImageError: when a box lies outside the image.
    """
    try:
        return region_from_boxes(boxes, original.shape[0], original.shape[1], growth)
    except ValueError as error:
        whose = f" of {file.path}" if file else ""
        raise ImageError(
            f"{relative}: {error}{whose}; are they of another size or orientation?"
        ) from error


def _key(path: PurePath) -> str:
    return path.with_suffix("").as_posix()


def _box(box: Any) -> Box:
    """Left, top, right, bottom; corners given the other way round are put right."""
    x0, x1 = sorted((float(box["x0"]), float(box["x1"])))
    y0, y1 = sorted((float(box["y0"]), float(box["y1"])))
    return x0, y0, x1, y1
