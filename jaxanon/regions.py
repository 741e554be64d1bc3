"""Which part of an image is private: all of it, annotated boxes, or a folder of masks."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon.errors import ImageError, UsageError
from jaxanon.images import decode_mask

GROWTH = 0.1
"""Share of its longer side by which a box grows on each side, and which feathers its edge."""


@dataclass(frozen=True)
class Region:
    """The private part of one image.

    Attributes:
        mask: `(H, W)` bool, where pixels are anonymized and may be adapted; None is everywhere.
        core: `(H, W)` bool, the annotation itself, inside `mask`; None is everywhere.
        feather: standard deviation, in pixels, of the soft edge of a blurred region.
    """

    mask: np.ndarray | None = None
    core: np.ndarray | None = None
    feather: float = 0.0


Regions = Callable[[Path, int, int], Region]
"""(relative path, height, width) -> the image's region; raises ImageError where none is known."""


def regions(spec: str) -> Regions:
    """Regions by their option: `whole`, a JSON file of boxes, or a folder of masks.

    Raises:
        UsageError: when the file or folder does not exist or cannot be used.
    """
    if spec == "whole":
        return lambda _path, _height, _width: Region()
    if not spec:
        raise UsageError("regions is empty; give whole, a .json file or a folder of masks")
    path = Path(spec)
    if path.is_dir():
        return _Masks(path)
    if path.is_file():
        return _Boxes(path)
    folder = path.parent if path.parent.is_dir() else Path()
    names = ["whole", *sorted(entry.name for entry in folder.iterdir())]
    near = difflib.get_close_matches(path.name, names, n=4, cutoff=0.5)
    hint = f"near matches: {', '.join(near)}" if near else "give whole, a .json file or a folder"
    raise UsageError(f"regions {spec!r}: no such file or folder; {hint}")


class _Boxes:
    """Boxes in the format of the ImageNet face annotations (Yang et al., 2022).

    A list of `{"url": path, "bboxes": [{"x0": ..., "y0": ..., "x1": ..., "y1": ...}, ...]}` in
    pixels of the upright image. An image is found by its path below the input folder, its suffix
    left out, or by the end of it (so that `val/ILSVRC2012_val_00000001.JPEG` finds the image of
    that name in a folder of another name), if that is unambiguous.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boxes: dict[str, list[tuple[float, float, float, float]]] = {}
        self.by_name: dict[str, list[str]] = {}
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(entries, list):
                raise ValueError("the top level is not a list")
            for i, entry in enumerate(entries):
                self._read(i, entry)
        except (OSError, ValueError, RecursionError) as error:
            raise UsageError(
                f"regions {path}: not a boxes file ({error}); expected "
                '[{"url": "a.jpg", "bboxes": [{"x0": 1, "y0": 2, "x1": 30, "y1": 40}]}, ...]'
            ) from error

    def _read(self, index: int, entry: Any) -> None:
        try:
            key = Path(entry["url"]).with_suffix("").as_posix()
            boxes = [_box(box) for box in entry["bboxes"]]
            if not isinstance(entry["bboxes"], list):
                raise TypeError("bboxes is not a list")
        except Exception as error:
            raise ValueError(f"entry {index} is malformed: {error!r}") from error
        if not np.isfinite(boxes).all():
            raise ValueError(f"entry {index} has a coordinate that is not finite")
        self.boxes[key] = self.boxes.get(key, []) + boxes
        self.by_name.setdefault(Path(key).name, []).append(key)

    def __call__(self, relative: Path, height: int, width: int) -> Region:
        mask = np.zeros((height, width), bool)
        core = np.zeros((height, width), bool)
        feather = 0.0
        for x0, y0, x1, y1 in self.boxes[self._find(relative)]:
            if x0 == x1 or y0 == y1:
                continue  # the published file has a few empty boxes; its authors skip them too
            if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
                raise ImageError(
                    f"{relative}: the box {(x0, y0, x1, y1)} of {self.path} lies outside the "
                    f"{width}x{height} image; are they of another size or orientation?"
                )
            x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
            grow = GROWTH * max(x1 - x0, y1 - y0)
            core[_window(x0, y0, x1, y1)] = True
            mask[_window(x0 - grow, y0 - grow, x1 + grow, y1 + grow)] = True
            feather = max(feather, grow)
        return Region(mask, core, feather)

    def _find(self, relative: Path) -> str:
        key = relative.with_suffix("").as_posix()
        if key in self.boxes:
            return key
        same = set(self.by_name.get(relative.stem, []))
        ends = {k for k in same if k.endswith("/" + key)}
        if len(ends) == 1:
            return ends.pop()
        cause = f"{len(ends)} entries of that name" if ends else "no entry"
        raise ImageError(
            f"{relative}: {cause} in {self.path}; nothing was anonymized, so nothing was written "
            "(list an image that has nothing private with empty bboxes)"
        )


def _box(box: Any) -> tuple[float, float, float, float]:
    """Left, top, right, bottom; corners given the other way round are put right."""
    x0, x1 = sorted((float(box["x0"]), float(box["x1"])))
    y0, y1 = sorted((float(box["y0"]), float(box["y1"])))
    return x0, y0, x1, y1


def _window(x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
    """The pixels that a box touches; negative bounds would count from the far end."""
    rows = slice(max(0, int(np.floor(y0))), max(0, int(np.ceil(y1))))
    return rows, slice(max(0, int(np.floor(x0))), max(0, int(np.ceil(x1))))


class _Masks:
    """A folder that mirrors the input folder; each mask has its image's size, white is private."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, relative: Path, height: int, width: int) -> Region:
        place = self.folder / relative
        try:
            found = sorted(
                file
                for file in (place.parent.iterdir() if place.parent.is_dir() else ())
                if file.is_file() and file.stem in (relative.stem, relative.name)
            )
        except OSError as error:
            raise ImageError(f"{place.parent}: cannot be read: {error.strerror}") from error
        if len(found) != 1:
            raise ImageError(
                f"{relative}: {len(found) or 'no'} masks named {relative.stem}.* "
                f"in {place.parent}; there must be one"
            )
        mask = decode_mask(found[0])
        if mask.shape != (height, width):
            raise ImageError(
                f"{relative}: its mask {found[0]} has {mask.shape[1]}x{mask.shape[0]} pixels, "
                f"the image {width}x{height}"
            )
        return Region(mask, mask)
