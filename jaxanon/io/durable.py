"""Files of which several processes may write the same one: whole or not at all, and on the disk."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from jaxanon.errors import ImageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


def unique_part(path: Path) -> Path:
    """A hidden place beside `path` to write to, which no other process has."""
    mine = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
    return path.with_name(f".{_short(path)}.{mine}.part")


def parts_of(path: Path) -> list[Path]:
    """What processes write, or have left, beside `path`."""
    return sorted(path.parent.glob(f".{_short(path)}.*.part"))


def _short(path: Path) -> str:
    return hashlib.sha256(path.name.encode(errors="surrogateescape")).hexdigest()[:16]


class DurableFile(io.RawIOBase):
    """A file that gets its name once it is whole and on the disk; counts and digests its bytes.

    Args:
        path: path of the file; its folder is made.

    Raises:
        ImageError: when it cannot be written, here and in the methods.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, unique_part(path)
        self.size = 0
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.part.open("xb")
        except OSError as error:
            raise self._error(error) from error

    @property
    def digest(self) -> str:
        """SHA-256 of what has been written, in hexadecimal digits."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        """Append bytes; returns how many."""
        assert self._file is not None
        view = memoryview(data).cast("B")
        try:
            self._file.write(view)
        except OSError as error:
            raise self._error(error) from error
        self._digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Number of bytes so far."""
        return self.size

    def commit(self) -> None:
        """Give the file its name, in place of what had it."""
        assert self._file is not None
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self.part.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise self._error(error) from error

    def discard(self) -> None:
        """Remove what was written, unless it has its name."""
        with suppress(OSError):
            if self._file is not None:
                self._file.close()
        with suppress(OSError):
            self.part.unlink(missing_ok=True)

    def _error(self, error: OSError) -> ImageError:
        return ImageError(f"{self.path}: cannot be written: {error.strerror or error}")


def write_durably(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, in place of what has its name.

    Raises:
        ImageError: when it cannot be written.
    """
    file = DurableFile(path)
    try:
        file.write(data)
        file.commit()
    finally:
        file.discard()


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
