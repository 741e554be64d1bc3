"""Where the images of a run come from: the protocol, and folders of files as its first kind.

A further kind of input (an archive, a table, a bucket) is one module with a class for the whole
and one for an image of it; nothing outside this package asks for a path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, Protocol

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.files import fingerprint


class InputImage(Protocol):
    """One image of the inputs, not yet read.

    Attributes:
        name: what reports, error messages and the journal call it; unique among the inputs.
        relative: place of the image below what was given, with its suffix. The output gets its name
            from this, and boxes, masks and partners are found by it.
    """

    @property
    def name(self) -> str: ...

    @property
    def relative(self) -> PurePath: ...

    def open(self) -> BinaryIO:
        """The encoded image as a stream that can be rewound, to be closed by the caller.

        Raises:
            OSError: when it cannot be read.
            ImageError: when it is no image file at all, such as a folder.
        """
        ...

    def fingerprint(self) -> str:
        """A text that changes whenever the encoded image may have changed."""
        ...


class Inputs(Protocol):
    """Where images come from; may be iterated more than once, in bounded memory.

    Attributes:
        name: what error messages call it.
        length: number of images, where that is known without reading them; else None.
    """

    @property
    def name(self) -> str: ...

    @property
    def length(self) -> int | None: ...

    def __iter__(self) -> Iterator[InputImage]: ...


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
