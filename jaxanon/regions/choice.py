"""Which part of an image is private: all of it, faces, annotated boxes, or a folder of masks."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.images import decode_mask
from jaxanon.regions.boxes import GROWTH, Box, BoxFile, Region, centre_in, region_of

Regions = Callable[[Path, np.ndarray], Region]
"""(relative path, original `(H, W, 3)` uint8) -> the image's region; raises ImageError where none
is known."""
Find = Callable[[np.ndarray], list[Box]]
"""Original `(H, W, 3)` uint8 -> boxes."""


def regions(
    spec: str,
    *,
    growth: float | None = None,
    find_faces: Callable[[], Find] | None = None,
    also: Path | None = None,
    exempt: Path | None = None,
    inputs: Sequence[Path] = (),
) -> Regions:
    """Regions by their option: `whole`, `faces`, a JSON file of boxes, or a folder of masks.

    Args:
        spec: one of these.
        growth: share of its longer side by which a box grows on each side; by default `GROWTH`.
        find_faces: makes the detector, for `faces`.
        also: a file of boxes that are private besides the faces found.
        exempt: a file of boxes, by whole paths below the input folder; a face whose centre lies in
            one of them is left as it is.
        inputs: relative paths, of which alone these two files may speak, and none of which may
            get the boxes of another.

    Raises:
        UsageError: when the file or folder does not exist or cannot be used, an option is given
            that means nothing for such regions, or a file lists what is not among the inputs.
    """
    if growth is not None and not 0 <= growth <= 2:
        raise UsageError(f"--grow is {growth}; it must be 0 to 2 (0.1 is a tenth of the box)")
    grow = GROWTH if growth is None else growth
    if spec == "faces":
        assert find_faces is not None
        extra = BoxFile("--also", also, inputs) if also else None
        spared = BoxFile("--exempt", exempt, inputs, exact=True) if exempt else None
        for option, file in (("--also", extra), ("--exempt", spared)):
            if file and inputs and (left := file.unused(inputs)):
                raise UsageError(
                    f"{option} {file.path}: {len(left)} entries are of no input, {left[0]} the "
                    "first; give paths below the input folder"
                )
        return _Faces(find_faces(), grow, extra, spared)
    for option, value in (("--also", also), ("--exempt", exempt)):
        if value is not None:
            raise UsageError(f"{option} goes with --regions faces, not with {spec}")
    path = Path(spec)
    boxes = spec != "whole" and path.is_file()
    if growth is not None and not boxes:
        raise UsageError(f"--grow goes with faces and boxes, not with --regions {spec}")
    if spec == "whole":
        return lambda _path, _picture: Region()
    if not spec:
        raise UsageError("regions is empty; give whole, faces, a .json file or a folder of masks")
    if path.is_dir():
        return _Masks(path)
    if boxes:
        return _Boxes(BoxFile("regions", path, inputs), grow)
    folder = path.parent if path.parent.is_dir() else Path()
    names = sorted({"whole", "faces", *(entry.name for entry in folder.iterdir())})
    near = difflib.get_close_matches(path.name, names, n=4, cutoff=0.5)
    words = "give whole, faces, a .json file or a folder"
    hint = f"near matches: {', '.join(near)}" if near else words
    raise UsageError(f"regions {spec!r}: no such file or folder; {hint}")


class _Boxes:
    """Boxes of a file."""

    def __init__(self, file: BoxFile, growth: float) -> None:
        self.file, self.growth = file, growth

    def __call__(self, relative: Path, picture: np.ndarray) -> Region:
        found = self.file.boxes_for(relative)
        if found is None:
            raise ImageError(
                f"{relative}: no entry in {self.file.path}; nothing was anonymized, so nothing was "
                "written (list an image that has nothing private with empty bboxes)"
            )
        return _region(relative, self.file, found, picture, self.growth)


class _Faces:
    """Faces that a detector finds, but for those exempt; and boxes of a file."""

    def __init__(
        self, find: Find, growth: float, also: BoxFile | None, exempt: BoxFile | None
    ) -> None:
        self.find, self.growth, self.also, self.exempt = find, growth, also, exempt

    def __call__(self, relative: Path, picture: np.ndarray) -> Region:
        spared = (self.exempt.boxes_for(relative) if self.exempt else None) or []
        found = [face for face in self.find(picture) if not any(centre_in(face, b) for b in spared)]
        more = (self.also.boxes_for(relative) if self.also else None) or []
        hidden = _region(relative, self.also, more, picture, self.growth)  # names the file if wrong
        return _region(relative, None, [*found, *(hidden.boxes or ())], picture, self.growth)


def _region(
    relative: Path, file: BoxFile | None, boxes: list[Box], picture: np.ndarray, growth: float
) -> Region:
    try:
        return region_of(boxes, picture.shape[0], picture.shape[1], growth)
    except ValueError as error:
        whose = f" of {file.path}" if file else ""
        raise ImageError(
            f"{relative}: {error}{whose}; are they of another size or orientation?"
        ) from error


class _Masks:
    """A folder that mirrors the input folder; each mask has its image's size, white is private."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, relative: Path, picture: np.ndarray) -> Region:
        height, width = picture.shape[:2]
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
