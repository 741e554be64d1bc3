"""What finds the region of each image: all of it, faces, annotated boxes, or a folder of masks."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from jaxanon.errors import ImageError, UsageError
from jaxanon.regions.annotated import AnnotatedRegions
from jaxanon.regions.annotations import Annotations
from jaxanon.regions.faces import Detector, FaceFinder, FaceRegions
from jaxanon.regions.masks import MaskRegions
from jaxanon.regions.region import GROWTH, Region
from jaxanon.regions.shapes import ShapeOptions

RegionFinder = Callable[[PurePath, np.ndarray], Region]
"""(path of an image below the input folder, its pixels `(H, W, 3)` uint8) -> its region; raises
ImageError where none is known."""


@dataclass(frozen=True)
class Search:
    """How regions are looked for; None stands for the default.

    Attributes:
        growth: share of its longer side by which a shape grows on each side, 0 to 2; by default
            `GROWTH`. For faces and annotations.
        threshold: score from which something is a face, above 0, at most 1; by default
            `faces.THRESHOLD`. For faces.
        also: a file of annotations that are private besides the faces found.
        exempt: a file of boxes, by whole paths below the input folder; a face whose centre lies in
            one of them is left as it is.
        classes: categories of annotations that are private; by default all.
        skip_empty: whether empty boxes are left out, rather than refused.
    """

    growth: float | None = None
    threshold: float | None = None
    also: Path | None = None
    exempt: Path | None = None
    classes: tuple[str, ...] | None = None
    skip_empty: bool = False

    def shape_options(self) -> ShapeOptions:
        """How shapes become regions."""
        growth = GROWTH if self.growth is None else self.growth
        return ShapeOptions(growth, self.classes, self.skip_empty)

    def refuse(self, where: str, **fits: bool) -> None:
        """Refuse options that mean nothing for regions of a kind.

        Args:
            where: the value of `--regions`.
            **fits: name of an option -> whether it means something.

        Raises:
            UsageError: naming the option.
        """
        goes_with = {
            "growth": ("--grow", "faces and annotations, not with --regions"),
            "threshold": ("--threshold", "--regions faces, not with"),
            "also": ("--also", "--regions faces, not with"),
            "exempt": ("--exempt", "--regions faces, not with"),
            "classes": ("--classes", "annotations, not with --regions"),
        }
        for name, (option, text) in goes_with.items():
            if getattr(self, name) is not None and not fits.get(name, False):
                raise UsageError(f"{option} goes with {text} {where}")


def region_finder(
    where: str,
    inputs: Sequence[PurePath] = (),
    search: Search | None = None,
    *,
    photos: Collection[Path] = (),
    find_faces: FaceFinder | None = None,
) -> RegionFinder:
    """What finds regions, by the value of `--regions`.

    Args:
        where: `whole`, `faces`, a file of annotations, a folder of them, or a folder of masks.
        inputs: paths of all images below the input folder. None may get the annotations of another,
            the files `also` and `exempt` may speak of these alone, and those that two inputs share
            but for the suffix are refused where regions are looked up by name.
        search: how regions are looked for.
        photos: the images themselves, resolved; they may lie among their annotations.
        find_faces: the detector; by default `faces.Detector`.

    Raises:
        UsageError: when the file or folder does not exist or cannot be used, an option is given
            that means nothing for such regions, or a file lists what is not among the inputs.
    """
    search = search or Search()
    if search.growth is not None and not 0 <= search.growth <= 2:
        raise UsageError(
            f"--grow is {search.growth}; it must be 0 to 2 (0.1 is a tenth of the box)"
        )
    if where == "faces":
        search.refuse(where, growth=True, threshold=True, also=True, exempt=True)
        return _face_regions(inputs, search, find_faces)
    if where == "whole":
        search.refuse(where)
        return lambda _relative, _original: Region()
    if not where:
        raise UsageError("regions is empty; give whole, faces, a file or a folder")
    path = Path(where)
    if not path.exists():
        search.refuse(where)
        raise UsageError(_no_such(where))
    annotations = Annotations.read("regions", path, inputs, photos)
    if annotations is None:
        search.refuse(where)
        return _each_its_own(MaskRegions(path, inputs), inputs)
    search.refuse(where, growth=True, classes=True)
    return _each_its_own(AnnotatedRegions(annotations, search.shape_options()), inputs)


def _face_regions(
    inputs: Sequence[PurePath], search: Search, find_faces: FaceFinder | None
) -> RegionFinder:
    also = _listed("--also", search.also, inputs, exact=False)
    exempt = _listed("--exempt", search.exempt, inputs, exact=True)
    find = find_faces or Detector(search.threshold)
    faces = FaceRegions(find, search.shape_options(), also, exempt)
    return _each_its_own(faces, inputs) if also or exempt else faces


def _listed(
    option: str, path: Path | None, inputs: Sequence[PurePath], *, exact: bool
) -> Annotations | None:
    """A file of annotations beside the faces, all of whose entries must be of inputs."""
    if path is None:
        return None
    if path.is_dir():
        raise UsageError(f"{option} {path}: a folder; give a file")
    file = Annotations.read(option, path, inputs, exact=exact)
    if file and inputs and (left := file.unused(inputs)):
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
    words = "give whole, faces, a file of annotations or a folder"
    hint = f"near matches: {', '.join(near)}" if near else words
    return f"regions {where!r}: no such file or folder; {hint}"
