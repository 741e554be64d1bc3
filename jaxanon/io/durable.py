"""Files of which several processes may write the same one: whole or not at all, and on the disk."""

from __future__ import annotations

import os
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from jaxanon.errors import ImageError
from jaxanon.io.files import short_name
from jaxanon.io.new_file import NewFile

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]


PART = re.compile(r"\.[0-9a-f]{16}\..+\.[0-9]+\.[0-9a-f]{8}\.part")
"""Names of what is not whole, see `unique_part`."""


def unique_part(path: Path) -> Path:
    """A hidden place beside `path` to write to, which no other process has."""
    mine = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
    return path.with_name(f".{short_name(path)}.{mine}.part")


def left_parts_of(path: Path) -> list[Path]:
    """What processes that live no more have left beside `path`."""
    parts = sorted(path.parent.glob(f".{short_name(path)}.*.part"))
    return [part for part in parts if is_held(part) is False]


class DurableFile(NewFile):
    """A file of this machine that gets its name once it is whole and on the disk.

    Args:
        path: path of the file; its folder is made.

    Raises:
        ImageError: when it cannot be written, here and in the methods.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.part = path, unique_part(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = self.part.open("xb")
        except OSError as error:
            raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
        super().__init__(str(path), file)
        hold(file)

    def commit(self, *, first: bool = False) -> bool:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            if first:
                _link(self.part, self.path)
            else:
                self.part.replace(self.path)
            self._file.close()
            _sync_folder(self.path.parent)
        except FileExistsError:
            return False
        except OSError as error:
            raise self.error(error) from error
        return True

    def discard(self) -> None:
        with suppress(OSError):
            super().discard()
        with suppress(OSError):
            self.part.unlink(missing_ok=True)


def hold(file: IO[Any]) -> None:
    """Mark an open file as in use, until it is closed or its process ends."""
    if fcntl is not None:
        with suppress(OSError):  # not every file system knows locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_held(path: Path) -> bool | None:
    """Whether a living process has marked a file as in use; None where that cannot be told."""
    if fcntl is None:
        return None
    try:
        with path.open("r+b") as file:  # over a network, a lock is for who may write
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError) as error:
        return isinstance(error, BlockingIOError)
    except OSError:
        return None
    return False


def write_durably(path: Path, data: bytes, *, first: bool = False) -> bool:
    """Write a file whole or not at all, in place of what has its name.

    Args:
        path: path of the file.
        data: what it is to hold.
        first: whether to leave a file of that name as it is.

    Returns:
        Whether it was written.

    Raises:
        ImageError: when it cannot be written.
    """
    file = DurableFile(path)
    try:
        file.write(data)
        return file.commit(first=first)
    finally:
        file.discard()


def _link(part: Path, path: Path) -> None:
    """Give a file a second name; raises FileExistsError where something has it."""
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if path.exists():
            raise FileExistsError(path) from None
        part.replace(path)


def _sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
