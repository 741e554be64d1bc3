"""Stores: where runs over shards keep what they make. What every kind of them can do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from jaxanon.errors import ImageError, printable
from jaxanon.io.new_file import NewFile


def below(name: str) -> str:
    """A name that leads to no other place than below a store; raises ImageError for any other."""
    if name.startswith("/") or ".." in name.split("/"):
        raise ImageError(f"{printable(name)} leads out of the output folder")
    return name


class Store(Protocol):
    """A folder, or what lies below a URL of an object store; names of files have `/` in them.

    A server that goes away and comes back is waited for. Methods that read raise FileNotFoundError
    for a file that is not there, OSError or ImageError where it cannot be read; those that write
    raise ImageError.

    Attributes:
        name: what error messages call it.
        scratch: a folder on the same disk, for what takes much room; None where there is none.
    """

    @property
    def name(self) -> str: ...

    @property
    def scratch(self) -> Path | None: ...

    def read(self, name: str) -> bytes:
        """All of a file."""
        ...

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file, in bounded memory."""
        ...

    def part(self, name: str, start: int, stop: int) -> bytes:
        """The bytes of a file from one place to another."""
        ...

    def size(self, name: str) -> int:
        """Number of bytes of a file."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def names(self, folder: str) -> Iterator[str]:
        """Names of all files below a folder, sorted; none where there is no such folder."""
        ...

    def write(self, name: str, data: bytes, *, first: bool = False) -> bool:
        """Write a file whole or not at all; whether it was written.

        Args:
            name: of the file.
            data: what it is to hold.
            first: whether to leave a file of that name as it is, rather than replace it.
        """
        ...

    def create(self, name: str) -> NewFile:
        """A new file, in place of what has its name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def remove_parts(self, name: str) -> None:
        """Remove what processes that died have left of a file that they wrote."""
        ...

    def sweep(self) -> None:
        """Remove what processes that died have left of any file."""
        ...

    def hold(self, name: str) -> AbstractContextManager[None]:
        """A file that is there as long as the context is, or until somebody removes it."""
        ...

    def is_held(self, name: str) -> bool:
        """Whether the process that holds a file is known to live."""
        ...
