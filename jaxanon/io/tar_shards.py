"""Adapted tars: samples with the adapted picture, what they carry, and their record."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jaxanon.errors import ImageError, printable
from jaxanon.io.files import SUFFIX
from jaxanon.io.kinds.tars import OURS, SampleImage
from jaxanon.io.listing.writing import key_of
from jaxanon.io.new_file import NewFile
from jaxanon.io.shards import Sample, Shard
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
        self._keys: set[str] = set()

    def add(self, sample: Sample, picture: bytes, record: dict[str, Any]) -> None:
        """Write a sample: its members in their order, the adapted picture, the record last.

        What comes from elsewhere than a tar gets its plain values as one member `json`.
        """
        if isinstance(sample, SampleImage):
            key = sample.key
            self._members(sample, picture)
        else:
            key = key_of(sample.key)
            self._member(f"{key}{self._suffix}", picture)
            self._values(key, sample.carried())
        if key in self._keys:
            raise ImageError(f"{printable(sample.key)}: the tar has a sample {printable(key)}")
        self._keys.add(key)
        self._member(f"{key}.{OURS}", f"{json.dumps(record)}\n".encode())

    def _members(self, sample: SampleImage, picture: bytes) -> None:
        for member in sample.members:
            if member is sample.picture:
                self._member(f"{sample.key}{self._suffix}", picture)
            elif member.extension != OURS:  # a record of an earlier adaptation is left out
                self._member(member.name, sample.shard.read(member))

    def _values(self, key: str, values: dict[str, Any]) -> None:
        plain = {name: value for name, value in values.items() if not isinstance(value, bytes)}
        for name, value in values.items():
            if isinstance(value, bytes):
                self._member(f"{key}.{name}", value)
        if plain:
            self._member(f"{key}.json", f"{json.dumps(plain, default=str)}\n".encode())

    def leave_out(self, sample: Any) -> None:
        """Nothing: what is not added is not there."""

    def commit(self) -> tuple[int, str]:
        self._tar.close()
        self._file.commit()
        return self._file.size, self._file.digest

    def _member(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))


@contextmanager
def tar_writer(shard: Shard, store: Store, name: str, form: str) -> Iterator[TarWriter]:
    """The writer of an adapted tar, see `ShardKind`."""
    del shard
    file = store.create(name)
    try:
        yield TarWriter(file, form)
    finally:
        file.discard()
