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

from jaxanon.io.files import SUFFIX
from jaxanon.io.shards import Sample, Shard
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

    def add(self, sample: Sample, picture: bytes, record: dict[str, Any]) -> None:
        """Write a picture, and what it carries; its record is in the manifest."""
        del record
        name, plain = f"{sample.file}{self._suffix}", {}
        self._write(name, picture)
        for key, value in sample.carried().items():
            if isinstance(value, bytes):
                self._write(f"{sample.file}.{key}", value)
            else:
                plain[key] = value
        if plain:
            line = json.dumps({"file_name": name, **plain}, default=str)
            self._lines.write(f"{line}\n".encode())

    def commit(self) -> tuple[int, str]:
        if data := self._lines.getvalue():
            self._write(self._values, data)
        self._file.commit()
        return self._file.size, self._file.digest

    def discard(self) -> None:
        """Give up the list, unless it is written; the pictures are made anew."""
        self._file.discard()

    def _write(self, name: str, data: bytes) -> None:
        self._store.write(name, data)
        shown = name.replace("\\", "\\\\").replace("\n", "\\n")  # as sha256sum has it
        mark = "\\" if shown != name else ""
        self._file.write(f"{mark}{hashlib.sha256(data).hexdigest()}  {shown}\n".encode())


@contextmanager
def folder_writer(shard: Shard, store: Store, name: str, form: str) -> Iterator[FolderWriter]:
    """The writer of a shard's pictures as files, see `ShardKind`."""
    del shard
    writer = FolderWriter(store, name, form)
    try:
        yield writer
    finally:
        writer.discard()


def files_of(store: Store, name: str) -> Iterator[str]:
    """The files that a list of `FolderWriter` names."""
    for line in store.lines(name):
        mark, _, shown = line.decode().rstrip("\n").partition("  ")
        if mark.startswith("\\"):
            shown = re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else "\\", shown)
        yield shown
