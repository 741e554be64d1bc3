"""Files and folders of files, the kind of input that everybody has."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from mimetypes import MimeTypes
from pathlib import Path, PurePath
from typing import BinaryIO

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.files import fingerprint, real_path
from jaxanon.io.inputs import INPUT_KINDS

log = logging.getLogger("jaxanon")
_TYPES = MimeTypes()  # of its own: what the system adds differs from machine to machine
OTHER_SUFFIXES = frozenset(
    {".db", ".ini", ".xmp", ".lnk", ".url", ".md", ".rst", ".log", ".names", ".sha256"}
    | {".jsonl", ".ndjson", ".yaml", ".yml", ".toml", ".parquet", ".arrow"}
    | {".npy", ".npz", ".pt", ".pth", ".safetensors"}
)
"""Suffixes of what lies beside pictures, besides those that Python's table of types knows."""


@dataclass(frozen=True)
class InputFile:
    """An image file: an `InputImage`.

    Attributes:
        path: where it lies.
        relative: place of the file below the folder that was given, or its bare name.
    """

    path: Path
    relative: PurePath

    @property
    def name(self) -> str:
        """The path as it was given."""
        return str(self.path)

    def open(self) -> BinaryIO:
        if self.path.is_dir():
            next(self.path.iterdir(), None)  # says why the folder could not be listed
            raise ImageError("a folder, not an image")
        return self.path.open("rb")

    def fingerprint(self) -> str:
        return fingerprint(self.path)


class Folders:
    """Files, and all files below folders: a kind of `Inputs`.

    Sorted by their place; links are followed, and a file that is reached twice counts once. In
    folders, files are left out that are hidden, or whose suffix says that they are no pictures. A
    folder that cannot be listed stands among the images itself: opening it says why.

    Args:
        paths: files and folders.

    Raises:
        UsageError: when one does not exist, or no file is there.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        found: dict[Path, InputFile] = {}
        others = LeftOut()
        for given in self.paths:
            kind = _kind(given)
            if kind is None:
                raise UsageError(f"{given}: no such file or folder")
            below = _files_below(given, set()) if kind == "folder" else [given]
            for path in below:
                if path != given and is_no_picture(path):
                    others.add(path)
                    continue
                relative = Path(given.name) if path == given else path.relative_to(given)
                found.setdefault(real_path(path), InputFile(path, relative))
        if not found:
            raise UsageError(f"no pictures in {self.name}{f' ({others})' if others else ''}")
        if others:
            log.info("%s: %s", self.name, others)
        self._files = sorted(
            found.values(), key=lambda file: (file.relative.as_posix(), str(file.path))
        )

    @property
    def name(self) -> str:
        """The files and folders, as they were given."""
        return ", ".join(map(str, self.paths))

    @property
    def length(self) -> int:
        """Number of files."""
        return len(self._files)

    def __iter__(self) -> Iterator[InputFile]:
        return iter(self._files)


def is_no_picture(path: PurePath) -> bool:
    """Whether the suffix of a file says that it is something else than a picture.

    A file without a suffix, or with an unknown one, may be a picture.
    """
    if path.suffix.lower() in OTHER_SUFFIXES:
        return True
    kind, encoding = _TYPES.guess_type(f"x{path.suffix.lower()}")
    return encoding is not None or (kind is not None and not kind.startswith("image/"))


class LeftOut:
    """How many files of a folder are no pictures, by their suffix; as a text, it says so."""

    def __init__(self) -> None:
        self._number, self._first = 0, Path()
        self._shard: Path | None = None

    def add(self, path: Path) -> None:
        """Count a file."""
        self._number += 1
        if self._number == 1:
            self._first = path
        if self._shard is None and path.suffix.lower() in INPUT_KINDS:
            self._shard = path

    def __bool__(self) -> bool:
        return self._number > 0

    def __str__(self) -> str:
        if not self:
            return ""
        n = self._number
        files = "1 file is no picture" if n == 1 else f"{n} files are no pictures"
        text = f"{files} by the suffix and left out, {self._first.name} the first"
        if self._shard is None:
            return text
        return f"{text}; shards are read where the folder that they lie in is given, such as " + (
            str(self._shard.parent)
        )


def _kind(path: Path) -> str | None:
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _files_below(folder: Path, visited: set[Path]) -> Iterator[Path]:
    if real_path(folder) in visited:
        return  # a link that leads back
    visited.add(real_path(folder))
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        kinds = [
            (entry, entry.is_dir(), entry.is_file() or entry.is_symlink()) for entry in entries
        ]
    except OSError:
        yield folder
        return
    for entry, is_folder, is_file in kinds:
        if is_folder:
            yield from _files_below(entry, visited)
        elif is_file:
            yield entry
