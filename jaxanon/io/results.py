"""Where the results of a run go: the protocol, and an output folder as its first kind.

A result is written beside its place, verified there, and gets its name when it is whole. A further
kind of output is one module with a class for the sink and one for a place in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO, Protocol

from jaxanon.errors import ImageError
from jaxanon.io import files
from jaxanon.io.files import real_path


class ResultPlace(Protocol):
    """The place of one result, which may be there already or not.

    Attributes:
        location: what reports and error messages call it.
        identity: tells it from every other place, from wherever the process was started.
        overwrite: whether an existing result of that name may be replaced.
    """

    @property
    def location(self) -> str: ...

    @property
    def identity(self) -> str: ...

    @property
    def overwrite(self) -> bool: ...

    def exists(self) -> bool:
        """Whether a result of this name is there."""
        ...

    def open(self) -> BinaryIO:
        """The result of this name, to be read; raises OSError where there is none."""
        ...

    def write_part(self, data: bytes) -> None:
        """Write beside the place, not yet under its name.

        Raises:
            ImageError: when it cannot be written.
        """
        ...

    def open_part(self) -> BinaryIO:
        """What `write_part` has written, to be read back."""
        ...

    def discard_part(self) -> None:
        """Remove what `write_part` has written, if anything."""
        ...

    def commit(self) -> None:
        """Give what `write_part` has written its name, at once and whole.

        Raises:
            ImageError: when something else has the name and may not be replaced, or the system
                refuses.
        """
        ...

    def discard(self) -> None:
        """Remove the result of this name, if it is there."""
        ...


class ResultSink(Protocol):
    """Where results go.

    Attributes:
        name: what error messages call it.
    """

    @property
    def name(self) -> str: ...

    def place(self, relative: PurePath, *, overwrite: bool = False) -> ResultPlace:
        """The place for a result of this name."""
        ...

    def lines(self, name: str) -> LineLog:
        """A text file among the results to which lines are appended, such as the journal."""
        ...


class LineLog(Protocol):
    """A text file that grows by whole lines.

    Attributes:
        location: what error messages call it.
    """

    @property
    def location(self) -> str: ...

    def exists(self) -> bool:
        """Whether it has been begun."""
        ...

    def read(self) -> list[str]:
        """All lines; the last one may be cut off where a process was killed.

        Raises:
            OSError, UnicodeError: when it cannot be read.
        """
        ...

    def begin(self, lines: Iterable[str]) -> None:
        """Replace it by these lines, whole or not at all."""
        ...

    def append(self, line: str) -> None:
        """Add one line."""
        ...


@dataclass(frozen=True)
class FilePlace:
    """The path of a result: a `ResultPlace`.

    Attributes:
        path: path of the file.
        overwrite: whether an existing file may be replaced.
    """

    path: Path
    overwrite: bool = False

    @property
    def location(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def identity(self) -> str:
        """The path, absolute and without links."""
        return str(real_path(self.path))

    def exists(self) -> bool:
        return self.path.exists()

    def open(self) -> BinaryIO:
        return self.path.open("rb")

    def write_part(self, data: bytes) -> None:
        files.write_part(self.path, data)

    def open_part(self) -> BinaryIO:
        return files.part_of(self.path).open("rb")

    def discard_part(self) -> None:
        files.discard(files.part_of(self.path))

    def commit(self) -> None:
        files.commit(self.path, overwrite=self.overwrite)

    def discard(self) -> None:
        files.discard(self.path)


@dataclass(frozen=True)
class OutputFolder:
    """A folder of results: a `ResultSink`.

    Attributes:
        path: path of the folder; made when the first result is written.
    """

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def place(self, relative: PurePath, *, overwrite: bool = False) -> FilePlace:
        return FilePlace(self.path / relative, overwrite)

    def lines(self, name: str) -> TextFile:
        return TextFile(self.path / name)


@dataclass(frozen=True)
class TextFile:
    """A text file of lines in UTF-8: a `LineLog`.

    Attributes:
        path: path of the file.
    """

    path: Path

    @property
    def location(self) -> str:
        """The path."""
        return str(self.path)

    def exists(self) -> bool:
        return self.path.is_file()

    def read(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    def begin(self, lines: Iterable[str]) -> None:
        files.write(self.path, "".join(f"{line}\n" for line in lines).encode())

    def append(self, line: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def refuse_existing(place: ResultPlace) -> None:
    """Raise ImageError where something has the name already and may not be replaced."""
    if place.exists() and not place.overwrite:
        raise ImageError(f"{place.location}: exists; not overwritten (give --overwrite)")


def write_result(place: ResultPlace, data: bytes) -> None:
    """Write a result that needs no verification, whole or not at all.

    Raises:
        ImageError: when it cannot be written, or may not be replaced.
    """
    place.write_part(data)
    place.commit()


@dataclass(frozen=True)
class WrittenPart:
    """What `write_part` has written, as something that can be decoded.

    Attributes:
        place: where it was written.
    """

    place: ResultPlace

    @property
    def name(self) -> str:
        """The location of its place."""
        return self.place.location

    def open(self) -> BinaryIO:
        try:
            return self.place.open_part()
        except OSError as error:
            raise ImageError(f"cannot be read back: {error.strerror or error}") from error
