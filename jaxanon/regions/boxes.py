"""Boxes around what is private: their file, and the region that they make."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon.errors import ImageError, UsageError

_VALIDATION = re.compile(r"ILSVRC2012_val_\d{8}")
"""Images are sorted into folders of classes where they are used, and not in the annotations."""
GROWTH = 0.1
"""Share of its longer side by which a box grows on each side, and which feathers its edge."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom edge, in pixels of the upright image."""


@dataclass(frozen=True)
class Region:
    """The private part of one image.

    Attributes:
        mask: `(H, W)` bool, where pixels are anonymized and may be adapted; None is everywhere.
        core: `(H, W)` bool, the annotation itself, inside `mask`; None is everywhere.
        feather: standard deviation, in pixels, of the soft edge of a blurred region.
        boxes: of which it is made; None where it is not made of boxes.
    """

    mask: np.ndarray | None = None
    core: np.ndarray | None = None
    feather: float = 0.0
    boxes: tuple[Box, ...] | None = None


def region_of(boxes: Iterable[Box], height: int, width: int, growth: float = GROWTH) -> Region:
    """What boxes cover of an image, each grown on all sides by a share of its longer one.

    Raises:
        ValueError: naming a box that lies outside the image.
    """
    mask = np.zeros((height, width), bool)
    core = np.zeros((height, width), bool)
    feather, kept = 0.0, []
    for x0, y0, x1, y1 in boxes:
        if x0 == x1 or y0 == y1:
            continue  # the published file has a few empty boxes; its authors skip them too
        if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
            raise ValueError(f"the box {(x0, y0, x1, y1)} lies outside the {width}x{height} image")
        x0, x1, y0, y1 = max(x0, 0), min(x1, width), max(y0, 0), min(y1, height)
        grow = growth * max(x1 - x0, y1 - y0)
        core[_window(x0, y0, x1, y1)] = True
        mask[_window(x0 - grow, y0 - grow, x1 + grow, y1 + grow)] = True
        feather = max(feather, grow)
        kept.append((x0, y0, x1, y1))
    return Region(mask, core, feather, tuple(kept))


def centre_in(inner: Box, box: Box) -> bool:
    """Whether the middle of a box lies in another."""
    x, y = (inner[0] + inner[2]) / 2, (inner[1] + inner[3]) / 2
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


def _window(x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
    """The pixels that a box touches; negative bounds would count from the far end."""
    rows = slice(max(0, int(np.floor(y0))), max(0, int(np.ceil(y1))))
    return rows, slice(max(0, int(np.floor(x0))), max(0, int(np.ceil(x1))))


class BoxFile:
    """Boxes in the format of the ImageNet face annotations (Yang et al., 2022).

    A list of `{"url": path, "bboxes": [{"x0": ..., "y0": ..., "x1": ..., "y1": ...}, ...]}` in
    pixels of the upright image. An image is found by its path below the input folder, its suffix
    left out, or by the end of the entry's path (so that `val/a.jpg` finds `a.jpg`), if that is
    unambiguous; the name of an image of ImageNet's validation set is enough, whatever its folder.

    Args:
        option: that named the file.
        path: of it.
        inputs: relative paths of all images, none of which may get the boxes of another.
        exact: whether only the whole path finds an image: a box that is taken for another
            image's must not expose anybody.

    Raises:
        UsageError: naming the option and the file, when it is none of these.
    """

    def __init__(
        self, option: str, path: Path, inputs: Sequence[Path] = (), *, exact: bool = False
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

    def boxes_for(self, relative: Path) -> list[Box] | None:
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

    def unused(self, inputs: Iterable[Path]) -> list[str]:
        """The entries that are of none of the inputs."""
        return sorted(set(self.boxes).difference(*map(self._keys, inputs)))

    def _keys(self, relative: Path) -> set[str]:
        """The entries that may be an image's."""
        key = _key(relative)
        if key in self.boxes:
            return {key}
        if self.exact:
            return set()
        found = set(self.by_name.get(relative.stem, [])) - self.whole
        anywhere = _VALIDATION.fullmatch(relative.stem)
        return {other for other in found if anywhere or other.endswith("/" + key)}


def _key(path: Path) -> str:
    return path.with_suffix("").as_posix()


def _box(box: Any) -> Box:
    """Left, top, right, bottom; corners given the other way round are put right."""
    x0, x1 = sorted((float(box["x0"]), float(box["x1"])))
    y0, y1 = sorted((float(box["y0"]), float(box["y1"])))
    return x0, y0, x1, y1
