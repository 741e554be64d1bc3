"""Shards: files of many samples, adapted one file at a time. What every kind of them can do.

A further kind is a module with a class for the shard and one for its writer, and a row of
`jaxanon.io.shard_kinds`. Nothing outside `jaxanon.io` asks how samples lie in a file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Protocol

from jaxanon.errors import printable
from jaxanon.io.stores.store import Store

log = logging.getLogger("jaxanon")


class Sample(Protocol):
    """One picture of a shard, an `InputImage`, and what stands beside it.

    A sample that is not clear is one whose `open` says why.

    Attributes:
        name: what reports and error messages call it.
        relative: place of the picture below the shard's name, see `InputImage`.
        key: names the sample in its shard.
        file: names it among all samples of a run, where it is saved as a file; without a suffix.
    """

    @property
    def name(self) -> str: ...

    @property
    def relative(self) -> PurePath: ...

    @property
    def key(self) -> str: ...

    @property
    def file(self) -> str: ...

    def open(self) -> BinaryIO: ...

    def fingerprint(self) -> str: ...

    def carried(self) -> dict[str, Any]:
        """What stands beside the picture: bytes by what a file's name would end in, plain values.

        To be asked in the order of the samples.
        """
        ...


class Shard(Protocol):
    """A file of samples.

    Attributes:
        name: what reports and error messages call it.
        length: number of samples; 0 where the file is damaged.
        samples: all samples, in their order; raises ImageError where the file is damaged.
        columns: name -> kind of what samples carry, where that is known of all shards; else None.
    """

    @property
    def name(self) -> str: ...

    @property
    def length(self) -> int: ...

    @property
    def samples(self) -> Sequence[Sample]: ...

    @property
    def columns(self) -> Mapping[str, str] | None: ...

    def close(self) -> None:
        """Give back what reading it took."""
        ...


class ShardWriter(Protocol):
    """Writes an adapted shard, the same bytes for the same samples."""

    def add(self, sample: Any, picture: bytes, record: dict[str, Any]) -> None:
        """Write a sample of the shard, in the shard's order: picture, what it carries, record."""
        ...

    def leave_out(self, sample: Any) -> None:
        """Make sure that nothing is there of a sample that failed."""
        ...

    def commit(self) -> tuple[int, str]:
        """Give the file its name; returns its size and its SHA-256."""
        ...


@dataclass(frozen=True)
class ShardKind:
    """A kind of shards, as it is written, and read where it can be.

    Attributes:
        open: (path, what to call it, names of what is dropped) opens a file; raises UsageError
            when it is none of this kind. None for files of a folder, which a listing names.
        writer: (shard, where to, name of the output there, format of the pictures) -> its writer,
            discarded on the way out unless it was committed; raises ImageError when nothing can be
            written.
    """

    open: Callable[[Path, str, Collection[str]], Shard] | None
    writer: Callable[[Any, Store, str, str], AbstractContextManager[ShardWriter]]


def warn_of_missing(shard: str, missing: Collection[str]) -> None:
    """Say that a shard has nothing of what is to be dropped: the name may be misspelled.

    Args:
        shard: what error messages call it.
        missing: names of which it has nothing.
    """
    for name in sorted(missing):
        log.warning("%s: has no %s to drop", shard, printable(name))
