"""Adapted shards: tars of samples with the adapted picture, what it carries, and its record."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from jaxanon.errors import ImageError
from jaxanon.io.durable import DurableFile
from jaxanon.io.files import SUFFIX
from jaxanon.io.kinds.tars import OURS, SampleImage


class Spool:
    """Encoded images on the disk, in the order in which they come, until they can be put in theirs.

    Args:
        folder: where the space is taken; nothing shows there. It is made if it is not there.

    Raises:
        ImageError: when nothing can be written there, here and in `add`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._end = folder, 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed by `close`
        except OSError as error:
            raise self._error(error) from error

    def add(self, data: bytes) -> tuple[int, int]:
        """Keep an image; returns where it lies, for `read`."""
        try:
            self._file.seek(self._end)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise self._error(error) from error
        start, self._end = self._end, self._end + len(data)
        return start, len(data)

    def read(self, place: tuple[int, int]) -> bytes:
        """An image that was kept."""
        self._file.seek(place[0])
        return self._file.read(place[1])

    def close(self) -> None:
        """Give the space back."""
        with suppress(OSError):  # what a full disk has not taken
            self._file.close()

    def _error(self, error: OSError) -> ImageError:
        return ImageError(f"{self._folder}: cannot be written: {error.strerror or error}")


class SpooledPlace:
    """The place of an adapted image in a shard that is being made: a `ResultPlace`.

    In memory while it is verified, afterwards on the spool.

    Args:
        location: what reports and error messages call it.
        spool: the shard's.
    """

    overwrite = False

    def __init__(self, location: str, spool: Spool) -> None:
        self.location = self.identity = location
        self._spool = spool
        self._part = b""
        self._kept: tuple[int, int] | None = None

    def exists(self) -> bool:
        return False

    def open(self) -> BinaryIO:
        if self._kept is None:
            raise FileNotFoundError(self.location)
        return io.BytesIO(self._spool.read(self._kept))

    def write_part(self, data: bytes) -> None:
        self._part = data

    def open_part(self) -> BinaryIO:
        return io.BytesIO(self._part)

    def discard_part(self) -> None:
        self._part = b""

    def commit(self) -> None:
        self._kept = self._spool.add(self._part)
        self._part = b""

    def discard(self) -> None:
        self._kept = None


class TarWriter:
    """Writes the samples of an adapted shard, the same bytes for the same samples.

    The tar is written by the standard library, with one time and owner for all members.

    Args:
        file: where the tar goes.
        form: format of the pictures: `png`, `jpeg` or `webp`.
    """

    def __init__(self, file: DurableFile, form: str) -> None:
        self._tar = tarfile.TarFile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT)
        self._suffix = SUFFIX[form]

    def add(self, sample: SampleImage, picture: bytes, record: bytes) -> None:
        """Write a sample: its members in their order, the adapted picture, the record last."""
        ours = {member.name for member in sample.carried}
        for member in sample.members:
            if member is sample.picture:
                self._member(f"{sample.key}{self._suffix}", picture)
            elif member.name in ours:
                self._member(member.name, sample.shard.read(member))
        self._member(f"{sample.key}.{OURS}", record)

    def close(self) -> None:
        """End the tar."""
        self._tar.close()

    def _member(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))


@contextmanager
def tar_writer(path: Path, form: str) -> Iterator[tuple[TarWriter, DurableFile]]:
    """A writer of a shard and its file, to be committed by the caller; discarded otherwise."""
    file = DurableFile(path)
    try:
        writer = TarWriter(file, form)
        yield writer, file
    finally:
        file.discard()
