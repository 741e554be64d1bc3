"""Files and folders of files, the kind of input that everybody has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.files import fingerprint


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

    Sorted by their place; hidden files are left out, links are followed, and a file that is
    reached twice counts once. A folder that cannot be listed stands among the images itself:
    opening it says why.

    Args:
        paths: files and folders.

    Raises:
        UsageError: when one does not exist, or no file is there.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        found: dict[Path, InputFile] = {}
        for given in self.paths:
            kind = _kind(given)
            if kind is None:
                raise UsageError(f"{given}: no such file or folder")
            below = _files_below(given, set()) if kind == "folder" else [given]
            for path in below:
                relative = Path(given.name) if path == given else path.relative_to(given)
                found.setdefault(path.resolve(), InputFile(path, relative))
        if not found:
            raise UsageError(f"no files in {self.name}")
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


def _kind(path: Path) -> str | None:
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _files_below(folder: Path, visited: set[Path]) -> Iterator[Path]:
    if folder.resolve() in visited:
        return  # a link that leads back
    visited.add(folder.resolve())
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
