"""Encoded images on the disk, until they can be put where they belong."""

from __future__ import annotations

import io
import os
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from jaxanon.errors import ImageError
from jaxanon.io.memory_part import MemoryPart


class Spool:
    """Space on the disk for encoded images, in the order in which they come.

    Args:
        folder: where the space is taken; nothing shows there. It is made if it is not there. By
            default the system's place for temporary files.

    Raises:
        ImageError: when nothing can be written there, here and in `add`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder, self._end = folder or Path(tempfile.gettempdir()), 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(  # noqa: SIM115  # closed by `close`
                dir=self._folder, buffering=0
            )
        except OSError as error:
            raise self._error(error) from error
        weakref.finalize(self, self._file.close)  # where nobody calls `close`

    def add(self, data: bytes) -> tuple[int, int]:
        """Keep an image; returns where it lies, for `read`."""
        start = self._end
        try:
            while self._end < start + len(data):
                self._end += os.pwrite(self._file.fileno(), data[self._end - start :], self._end)
        except OSError as error:
            raise self._error(error) from error
        return start, len(data)

    def read(self, place: tuple[int, int]) -> bytes:
        """An image that was kept; any thread may ask."""
        start, size = place
        return os.pread(self._file.fileno(), size, start)

    def close(self) -> None:
        """Give the space back."""
        with suppress(OSError):
            self._file.close()

    def _error(self, error: OSError) -> ImageError:
        return ImageError(f"{self._folder}: cannot be written: {error.strerror or error}")


class SpooledPlace(MemoryPart):
    """The place of an adapted image in a shard that is being made: a `ResultPlace`.

    In memory while it is verified, afterwards on the spool.

    Args:
        location: what reports and error messages call it.
        spool: the shard's.
    """

    def __init__(self, location: str, spool: Spool) -> None:
        super().__init__()
        self.location = self.identity = location
        self._spool = spool
        self._kept: tuple[int, int] | None = None

    def open(self) -> BinaryIO:
        if self._kept is None:
            raise FileNotFoundError(self.location)
        return io.BytesIO(self._spool.read(self._kept))

    def commit(self) -> None:
        self._kept = self._spool.add(self.part)
        self.discard_part()

    def discard(self) -> None:
        self._kept = None
