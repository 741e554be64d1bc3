"""What finds the region of each image: all of it, faces, annotated boxes, or a folder of masks."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

import numpy as np

from jaxanon.errors import ImageError, UsageError
from jaxanon.regions.boxes import BoxFile, BoxRegions
from jaxanon.regions.faces import Detector, FaceFinder, FaceRegions
from jaxanon.regions.masks import MaskRegions
from jaxanon.regions.region import GROWTH, Region

RegionFinder = Callable[[PurePath, np.ndarray], Region]
"""(path of an image below the input folder, its pixels `(H, W, 3)` uint8) -> its region; raises
ImageError where none is known."""


def region_finder(
    where: str,
    inputs: Sequence[PurePath] = (),
    *,
    growth: float | None = None,
    threshold: float | None = None,
    also: Path | None = None,
    exempt: Path | None = None,
    find_faces: FaceFinder | None = None,
) -> RegionFinder:
    """What finds regions, by the value of `--regions`.

    Args:
        where: `whole`, `faces`, a JSON file of boxes, or a folder of masks.
        inputs: paths of all images below the input folder. None may get the boxes of another, the
            files `also` and `exempt` may speak of these alone, and those that two inputs share
            but for the suffix are refused where regions are looked up by name.
        growth: share of its longer side by which a box grows on each side, 0 to 2; by default
            `GROWTH`. For faces and boxes.
        threshold: score from which something is a face, above 0, at most 1; by default
            `faces.THRESHOLD`. For faces.
        also: a file of boxes that are private besides the faces found.
        exempt: a file of boxes, by whole paths below the input folder; a face whose centre lies in
            one of them is left as it is.
        find_faces: the detector; by default `faces.Detector`.

    Raises:
        UsageError: when the file or folder does not exist or cannot be used, an option is given
            that means nothing for such regions, or a file lists what is not among the inputs.
    """
    if growth is not None and not 0 <= growth <= 2:
        raise UsageError(f"--grow is {growth}; it must be 0 to 2 (0.1 is a tenth of the box)")
    grow = GROWTH if growth is None else growth
    if where == "faces":
        private = _listed("--also", also, inputs, exact=False)
        spared = _listed("--exempt", exempt, inputs, exact=True)
        faces = FaceRegions(find_faces or Detector(threshold), grow, private, spared)
        return _each_its_own(faces, inputs) if also or exempt else faces
    for option, value in (("--also", also), ("--exempt", exempt), ("--threshold", threshold)):
        if value is not None:
            raise UsageError(f"{option} goes with --regions faces, not with {where}")
    path = Path(where)
    boxes = where != "whole" and path.is_file()
    if growth is not None and not boxes:
        raise UsageError(f"--grow goes with faces and boxes, not with --regions {where}")
    if where == "whole":
        return lambda _relative, _original: Region()
    if not where:
        raise UsageError("regions is empty; give whole, faces, a .json file or a folder of masks")
    if boxes:
        return _each_its_own(BoxRegions(BoxFile("regions", path, inputs), grow), inputs)
    if path.is_dir():
        return _each_its_own(MaskRegions(path), inputs)
    raise UsageError(_no_such(where))


def _listed(
    option: str, path: Path | None, inputs: Sequence[PurePath], *, exact: bool
) -> BoxFile | None:
    """A file of boxes beside the faces, all of whose entries must be of inputs."""
    if path is None:
        return None
    file = BoxFile(option, path, inputs, exact=exact)
    if inputs and (left := file.unused(inputs)):
        raise UsageError(
            f"{option} {file.path}: {len(left)} entries are of no input, {left[0]} the "
            "first; give paths below the input folder"
        )
    return file


def _each_its_own(find: RegionFinder, inputs: Sequence[PurePath]) -> RegionFinder:
    """A finder that also refuses inputs which would share an annotation."""
    namesakes = Counter(relative.with_suffix("") for relative in inputs)

    def checked(relative: PurePath, original: np.ndarray) -> Region:
        stem = relative.with_suffix("")
        if namesakes[stem] > 1:
            raise ImageError(
                f"{relative}: another input is called {stem} too, so its region is unclear; "
                "rename one, or run them apart"
            )
        return find(relative, original)

    return checked


def _no_such(where: str) -> str:
    """Text for a file or folder of regions that does not exist, with its near matches."""
    path = Path(where)
    folder = path.parent if path.parent.is_dir() else Path()
    names = sorted({"whole", "faces", *(entry.name for entry in folder.iterdir())})
    near = difflib.get_close_matches(path.name, names, n=4, cutoff=0.5)
    words = "give whole, faces, a .json file or a folder"
    hint = f"near matches: {', '.join(near)}" if near else words
    return f"regions {where!r}: no such file or folder; {hint}"
