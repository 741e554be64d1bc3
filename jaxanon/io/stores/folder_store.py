"""A folder as a store: files are renamed into place and brought to the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jaxanon.errors import ImageError
from jaxanon.io.durable import PART, DurableFile, hold, is_held, left_parts_of, write_durably
from jaxanon.io.files import discard
from jaxanon.io.stores.store import below


class FolderStore:
    """A folder of this machine, or that several machines share: a `Store`.

    Args:
        folder: path of it; it is made when something is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """The path as it was given."""
        return str(self.folder)

    @property
    def scratch(self) -> Path:
        """The folder itself."""
        return self.folder

    def _path(self, name: str) -> Path:
        return self.folder / below(name)

    def read(self, name: str) -> bytes:
        return self._path(name).read_bytes()

    def lines(self, name: str) -> Iterator[bytes]:
        with self._path(name).open("rb") as file:
            yield from file

    def part(self, name: str, start: int, stop: int) -> bytes:
        with self._path(name).open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    def size(self, name: str) -> int:
        return self._path(name).stat().st_size

    def exists(self, name: str) -> bool:
        return self._path(name).exists()

    def names(self, folder: str) -> Iterator[str]:
        yield from (
            path.relative_to(self.folder).as_posix()
            for path in sorted(_files_below(self.folder / folder))
            if path.is_file() and not path.name.startswith(".")
        )

    def write(self, name: str, data: bytes, *, first: bool = False) -> bool:
        return write_durably(self._path(name), data, first=first)

    def create(self, name: str) -> DurableFile:
        return DurableFile(self._path(name))

    def remove(self, name: str) -> None:
        discard(self._path(name))

    def remove_parts(self, name: str) -> None:
        for part in left_parts_of(self._path(name)):
            discard(part)

    def sweep(self) -> None:
        for path in _files_below(self.folder):
            if PART.fullmatch(path.name) and is_held(path) is False:
                discard(path)

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        except OSError as error:
            raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
        with file:
            hold(file)
            try:
                yield
            finally:
                discard(path)
                with suppress(OSError):
                    path.parent.rmdir()  # unless another one is there

    def is_held(self, name: str) -> bool:
        return is_held(self._path(name)) is True


def _files_below(folder: Path) -> Iterator[Path]:
    """What is no folder below one; what vanishes meanwhile is passed over (not by `Path.rglob`)."""
    for above, _, names in os.walk(folder):
        yield from (Path(above, name) for name in names)
