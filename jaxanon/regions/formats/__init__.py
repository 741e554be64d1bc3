"""Formats of annotations: each module here reads one.

None is left to a library: those that were looked at leave out what they do not know (polygons,
categories nobody named), and what is left out here would be published unhidden.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from jaxanon.io.files import real_path
from jaxanon.regions.annotation import Annotation
from jaxanon.regions.formats import box_list, coco, cvat, labelme, voc, yolo

log = logging.getLogger("jaxanon")
PICTURES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".webp",
        ".tif",
        ".tiff",
        ".bmp",
        ".gif",
        ".pgm",
        ".ppm",
        ".pbm",
        ".jp2",
        ".avif",
    ]
)
"""Suffixes of masks in a folder."""
Read = Callable[[Path, str], Annotation]
"""(path of a file, name of its image) -> what it says of that image; raises ValueError, TypeError,
KeyError, OverflowError or OSError where it is malformed."""
FOLDERS: dict[str, Callable[[Iterable[Path]], Read]] = {
    ".xml": lambda _: lambda path, name: voc.read(_xml(path), name),
    ".json": lambda _: lambda path, name: labelme.read(_json(path), name),
    ".txt": yolo.reader,
}
"""Suffix of files that hold the annotations of one image each -> what makes, of all of them, what
reads one."""
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError)
NO_ANNOTATIONS = {"classes.txt", "obj.names", "train.txt", "val.txt", "test.txt", "readme.txt"}
"""Names, lower case, of files that lie among annotations and are none."""
EXPECTED = (
    'expected [{"url": "a.jpg", "bboxes": [{"x0": 1, "y0": 2, "x1": 30, "y1": 40}]}, ...], or '
    "COCO, LabelMe, Pascal VOC, CVAT or YOLO"
)


def read_file(path: Path) -> list[Annotation]:
    """The annotations in one file, whose format is told by its suffix and content.

    Raises:
        ValueError: saying what is wrong with it.
    """
    try:
        return _read_file(path)
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except MALFORMED as error:
        raise ValueError(_reason(error)) from error


def _read_file(path: Path) -> list[Annotation]:
    suffix = path.suffix.lower()
    if suffix == ".xml":
        root = _xml(path)
        return cvat.read(root) if root.tag == "annotations" else [voc.read(root)]
    if suffix == ".txt":
        return [yolo.reader([path])(path, path.name)]
    text = path.read_text(encoding="utf-8-sig")
    if suffix in (".jsonl", ".ndjson"):
        return box_list.read([_parsed(line) for line in text.splitlines() if line.strip()])
    data = _parsed(text)
    if isinstance(data, dict) and "shapes" in data:
        return [labelme.read(data)]
    if isinstance(data, dict) and "images" in data:
        return coco.read(data)
    return box_list.read(data)


def read_folder(folder: Path, photos: Collection[Path] = ()) -> list[Annotation] | None:
    """The annotations in a folder, one file per image; None where it holds masks.

    The images' names are those of the files, whose folders mirror the images'.

    Args:
        folder: the folder.
        photos: the images themselves, resolved; they may lie among their annotations.

    Raises:
        ValueError: when files of several kinds are there, one is malformed, or there are none.
    """
    files = [path for path in sorted(folder.rglob("*")) if _counts(path, folder)]
    found = [path for path in files if path.suffix.lower() in PICTURES]
    everything = [path for path in files if path.suffix.lower() in FOLDERS]
    annotations = _of_photos(everything, photos)
    kinds = {suffix: [p for p in annotations if p.suffix.lower() == suffix] for suffix in FOLDERS}
    kinds = {suffix: paths for suffix, paths in kinds.items() if paths}
    masks = [path for path in found if real_path(path) not in photos]
    if not kinds and found and not masks:
        raise ValueError("it holds the photos themselves, and no annotations")
    if not kinds:
        return None
    if len(masks) < len(found):  # a folder of photos: others of them, annotated too, are no masks
        annotated = {path.with_suffix("") for path in everything}
        masks = [path for path in masks if path.with_suffix("") not in annotated]
    if masks or len(kinds) > 1:
        first = [paths[0].name for paths in (*kinds.values(), masks) if paths]
        raise ValueError(
            f"holds files of several kinds, such as {' and '.join(first[:2])}; give a folder of "
            "masks, or of annotations of one kind"
        )
    ((suffix, paths),) = kinds.items()
    try:
        read = FOLDERS[suffix](paths)
    except MALFORMED as error:
        raise ValueError(_reason(error)) from error
    return [_of_one(path, folder, read) for path in paths]


def _of_photos(annotations: Sequence[Path], photos: Collection[Path]) -> list[Path]:
    """Those of the files whose names are of photos, where it is known which there are."""
    stems = {photo.stem for photo in photos}
    theirs = [path for path in annotations if path.stem in stems]
    if not theirs:
        return list(annotations)
    if others := [path.name for path in annotations if path.stem not in stems]:
        files = "1 file is" if len(others) == 1 else f"{len(others)} files are"
        log.info("annotations: %s of no photo and left out, %s the first", files, others[0])
    return theirs


def _of_one(path: Path, folder: Path, read: Read) -> Annotation:
    name = path.relative_to(folder).as_posix()
    try:
        return read(path, name)
    except (ElementTree.ParseError, RecursionError, *MALFORMED) as error:
        raise ValueError(f"{name}: {_reason(error)}") from error


def _counts(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.is_file() and not hidden and path.name.lower() not in NO_ANNOTATIONS


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error}"
    return str(error) or repr(error)


def _json(path: Path) -> object:
    return _parsed(path.read_text(encoding="utf-8-sig"))


def _parsed(text: str) -> Any:
    """The data of a JSON text, of which no key may stand twice: the first would be lost."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError(f"two of the keys {', '.join(key for key, _ in pairs)} are the same")
        return found

    return json.loads(text, object_pairs_hook=once)


def _xml(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(path.read_bytes())


def labels(annotations: Sequence[Annotation]) -> set[str]:
    """All categories in annotations."""
    return {shape.label for each in annotations for shape in each.shapes if shape.label is not None}
