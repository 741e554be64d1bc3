"""Adapted tars: samples with the adapted picture, what they carry, and their record."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jaxanon.io.files import SUFFIX
from jaxanon.io.kinds.tars import OURS, SampleImage, TarShard
from jaxanon.io.new_file import NewFile
from jaxanon.io.stores.store import Store


class TarWriter:
    """Writes the samples of an adapted tar: a `ShardWriter`.

    The tar is written by the standard library, with one time and owner for all members.

    Args:
        file: where the tar goes.
        form: format of the pictures: `png`, `jpeg` or `webp`.
    """

    def __init__(self, file: NewFile, form: str) -> None:
        self._file = file
        self._tar = tarfile.TarFile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT)
        self._suffix = SUFFIX[form]

    def add(self, sample: SampleImage, picture: bytes, record: dict[str, Any]) -> None:
        """Write a sample: its members in their order, the adapted picture, the record last."""
        for member in sample.members:
            if member is sample.picture:
                self._member(f"{sample.key}{self._suffix}", picture)
            elif member.extension != OURS:  # a record of an earlier adaptation is left out
                self._member(member.name, sample.shard.read(member))
        self._member(f"{sample.key}.{OURS}", f"{json.dumps(record)}\n".encode())

    def commit(self) -> tuple[int, str]:
        self._tar.close()
        self._file.commit()
        return self._file.size, self._file.digest

    def _member(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))


@contextmanager
def tar_writer(shard: TarShard, store: Store, name: str, form: str) -> Iterator[TarWriter]:
    """The writer of an adapted tar, see `ShardKind`."""
    del shard
    file = store.create(name)
    try:
        yield TarWriter(file, form)
    finally:
        file.discard()
