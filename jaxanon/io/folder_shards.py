"""Adapted pictures as files of a folder, with what they carry in files beside them."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

from jaxanon.errors import ImageError, printable
from jaxanon.io.files import SUFFIX
from jaxanon.io.shards import Sample, Shard
from jaxanon.io.slices import ListedImage
from jaxanon.io.stores.store import Store

VALUES = ".metadata.jsonl"
"""Ends the name of the file of plain values."""


class FolderWriter:
    """Writes the pictures of a shard as files, and a list of them: a `ShardWriter`.

    The list is what `sha256sum --check` reads, in the output folder. It is written last. Plain
    values that the pictures carry go to lines of JSON beside it, as in the `metadata.jsonl` of
    image folders (https://huggingface.co/docs/datasets/image_dataset).

    Args:
        store: where to.
        name: of the list.
        form: format of the pictures: `png`, `jpeg` or `webp`.
    """

    def __init__(self, store: Store, name: str, form: str) -> None:
        self._store, self._suffix = store, SUFFIX[form]
        self._values = f"{PurePosixPath(name).with_suffix('')}{VALUES}"
        self._file, self._lines = store.create(name), io.BytesIO()
        self._names: set[str] = set()

    def add(self, sample: Sample, picture: bytes, record: dict[str, Any]) -> None:
        """Write a picture, and what it carries; its record is in the manifest."""
        del record
        name, plain = self.name_of(sample), {}
        self._write(name, picture)
        for key, value in sample.carried().items():
            if isinstance(value, bytes):
                self._write(f"{sample.file}.{key}", value)
            else:
                plain[key] = value
        line = json.dumps({**plain, "file_name": name}, default=str)
        self._lines.write(f"{line}\n".encode())

    def leave_out(self, sample: Sample) -> None:
        """Remove what an earlier attempt may have made of a sample that fails now."""
        self._store.remove(self.name_of(sample))

    def name_of(self, sample: Sample) -> str:
        """The file of a sample's picture."""
        return f"{sample.file}{self._suffix}"

    def commit(self) -> tuple[int, str]:
        self._write(self._values, self._lines.getvalue())
        self._file.commit()
        return self._file.size, self._file.digest

    def discard(self) -> None:
        """Give up the list, unless it is written; the pictures are made anew."""
        self._file.discard()

    def _write(self, name: str, data: bytes) -> None:
        key = PurePosixPath(name).as_posix().casefold()
        if key in self._names:
            raise ImageError(f"{printable(name)}: two samples would be this one file")
        self._names.add(key)
        self._store.write(name, data)
        shown = name.replace("\\", "\\\\").replace("\n", "\\n")  # as sha256sum has it
        mark = "\\" if shown != name else ""
        self._file.write(f"{mark}{hashlib.sha256(data).hexdigest()}  {shown}\n".encode())


@contextmanager
def folder_writer(shard: Shard, store: Store, name: str, form: str) -> Iterator[FolderWriter]:
    """The writer of a shard's pictures as files, see `ShardKind`."""
    for sample in shard.samples:
        if isinstance(sample, ListedImage) and sample.lies_at(
            store, f"{sample.file}{SUFFIX[form]}"
        ):
            raise ImageError(f"{sample.name} would be replaced; choose another output folder")
    writer = FolderWriter(store, name, form)
    try:
        yield writer
    finally:
        writer.discard()


def files_of(store: Store, name: str) -> Iterator[str]:
    """The files that a list of `FolderWriter` names."""
    return (file for file, _ in digests_in(store, name))


def digests_in(store: Store, name: str) -> Iterator[tuple[str, str]]:
    """The files that a list of `FolderWriter` names, each with its SHA-256."""
    for line in store.lines(name):
        digest, _, shown = line.decode().rstrip("\n").partition("  ")
        if digest.startswith("\\"):
            shown = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else "\\", shown)
        yield shown, digest.removeprefix("\\")
