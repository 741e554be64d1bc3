"""Annotations of many images: which are an image's, and the regions that they make."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePath

from jaxanon.errors import ImageError, UsageError, unknown
from jaxanon.regions.annotation import SLACK, Annotation
from jaxanon.regions.formats import EXPECTED, labels, read_file, read_folder
from jaxanon.regions.region import Box
from jaxanon.regions.shapes import AnnotatedShape, ShapeOptions

_VALIDATION = re.compile(r"ILSVRC2012_val_\d{8}")
"""Images are sorted into folders of classes where they are used, and not in the annotations."""


class Annotations:
    """Finds what is annotated in an image.

    An image is found by its path below the input folder, its suffix left out, or by the end of the
    annotation's path (so that `val/a.jpg` finds `a.jpg`), if that is unambiguous; the name of an
    image of ImageNet's validation set is enough, whatever its folder.

    Coordinates are pixels of the upright image, or shares of its width and height where all of the
    file's lie within 0 and 1.

    Args:
        option: the command line's option that names the file, for errors.
        path: path of the file or folder.
        found: the annotations in it.
        inputs: paths of all images below the input folder, none of which may get the annotations
            of another.
        exact: whether only the whole path finds an image: a box that is taken for another
            image's must not expose anybody.
    """

    def __init__(
        self,
        option: str,
        path: Path,
        found: Iterable[Annotation],
        inputs: Sequence[PurePath] = (),
        *,
        exact: bool = False,
    ) -> None:
        self.option, self.path, self.exact = option, path, exact
        self.whole = {_key(relative) for relative in inputs}
        self.entries: dict[str, list[Annotation]] = defaultdict(list)
        self.by_name: dict[str, list[str]] = defaultdict(list)
        for entry in found:
            key = _key(PurePath(entry.name))
            if key not in self.entries:
                self.by_name[PurePath(key).name].append(key)
            self.entries[key].append(entry)
        everything = [entry for entries in self.entries.values() for entry in entries]
        self.labels = labels(everything)
        boxes = [shape.box for entry in everything for shape in entry.shapes]
        self.shares = bool(boxes) and all(map(_are_shares, boxes))
        self.largest = max((max(box) for box in boxes), default=0.0)
        self.claims = Counter(key for relative in set(inputs) for key in self._keys(relative))

    @classmethod
    def read(
        cls,
        option: str,
        path: Path,
        inputs: Sequence[PurePath] = (),
        photos: Collection[Path] = (),
        *,
        exact: bool = False,
    ) -> Annotations | None:
        """Read a file, or a folder of files with one per image; None for a folder of masks.

        Args:
            option: as for the class.
            path: path of the file or folder.
            inputs: as for the class.
            photos: the images themselves, resolved; they may lie among their annotations.
            exact: as for the class.

        Raises:
            UsageError: naming the option and the file, when it does not exist or is malformed.
        """
        if not path.exists():
            raise UsageError(f"{option} {path}: no such file")
        try:
            found = read_folder(path, photos) if path.is_dir() else read_file(path)
        except ValueError as error:
            kind = "a folder" if path.is_dir() else "a file"
            raise UsageError(
                f"{option} {path}: not {kind} of annotations ({error}); {EXPECTED}"
            ) from error
        return None if found is None else cls(option, path, found, inputs, exact=exact)

    def check_classes(self, classes: Iterable[str]) -> None:
        """Refuse categories that stand nowhere: a misspelt one would hide nothing.

        Raises:
            UsageError: with the near matches.
        """
        known = {folded(label) for label in self.labels}
        for name in classes:
            if folded(name) not in known:
                raise UsageError(f"--classes: {unknown('category', name, self.labels)}")

    def shapes_in(
        self, relative: PurePath, height: int, width: int, options: ShapeOptions
    ) -> list[AnnotatedShape] | None:
        """The shapes in an image that are private, in its pixels; None where it has no entry.

        Args:
            relative: path of the image below the input folder.
            height: height of the image, in pixels.
            width: width of the image, in pixels.
            options: which categories are private.

        Raises:
            ImageError: when several entries have its name or another input's is the same; when the
                image has another size than annotated; or when it is unclear what is private.
        """
        key = self._key_of(relative)
        if key is None:
            return None
        classes = None if options.classes is None else set(map(folded, options.classes))
        shapes: list[AnnotatedShape] = []
        for entry in self.entries[key]:
            self._check(entry, relative, height, width)
            for shape in entry.shapes:
                if classes is None or shape.label is None or folded(shape.label) in classes:
                    shapes.append(self._in_pixels(shape, entry, relative, height, width))
        return shapes

    def hint(self, relative: PurePath) -> str:
        """Names of entries that are like an image's, as the end of an error."""
        near = difflib.get_close_matches(_key(relative), self.entries, n=3)
        return f"; near matches: {', '.join(near)}" if near else ""

    def unused(self, inputs: Iterable[PurePath]) -> list[str]:
        """The entries that are of none of the inputs, named by their paths below the folder."""
        return sorted(set(self.entries).difference(*map(self._keys, inputs)))

    def _check(self, entry: Annotation, relative: PurePath, height: int, width: int) -> None:
        if entry.unclear:
            raise ImageError(
                f"{relative}: {entry.unclear}, in {self.path}: it is unclear what is private; draw "
                "a box or a polygon"
            )
        if entry.size not in (None, (width, height)):
            w, h = entry.size or (0, 0)
            turned = "; is it turned, against the annotation?" if (h, w) == (width, height) else ""
            raise ImageError(
                f"{relative}: {width}x{height} pixels, but annotated as {w}x{h} in "
                f"{self.path}{turned}"
            )

    def _in_pixels(
        self, shape: AnnotatedShape, entry: Annotation, relative: PurePath, height: int, width: int
    ) -> AnnotatedShape:
        if (entry.shares or self.shares) and shape.runs is None:
            return shape.scaled(width, height)
        if _are_shares(shape.box) and shape.runs is None:
            raise ImageError(
                f"{relative}: the box {shape.box} in {self.path} lies within 0 and 1: it is "
                "unclear whether these are shares, as others are pixels"
            )
        return shape

    def _key_of(self, relative: PurePath) -> str | None:
        keys = self._keys(relative)
        if len(keys) > 1 or any(self.claims[key] > 1 for key in keys):
            which = f"{len(keys)} entries" if len(keys) > 1 else "an entry of several inputs"
            raise ImageError(
                f"{relative}: {which} of that name in {self.path}; nothing was "
                "anonymized, so nothing was written (give the entries their whole paths)"
            )
        return keys.pop() if keys else None

    def _keys(self, relative: PurePath) -> set[str]:
        """The entries that may be an image's."""
        key = _key(relative)
        if key in self.entries:
            return {key}
        if self.exact:
            return set()
        found = set(self.by_name.get(relative.stem, [])) - self.whole
        anywhere = _VALIDATION.fullmatch(relative.stem)
        return {other for other in found if anywhere or other.endswith("/" + key)}


def folded(label: str) -> str:
    """A category without what does not tell it from others: case, spaces, the form of a number."""
    try:
        return f"{float(label):g}"
    except ValueError:
        return " ".join(label.split()).casefold()


def _are_shares(box: Box) -> bool:
    return all(-SLACK <= edge <= 1 + SLACK for edge in box)


def _key(path: PurePath) -> str:
    return path.with_suffix("").as_posix()
