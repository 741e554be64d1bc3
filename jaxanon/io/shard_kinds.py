"""The kinds of shards, by the suffix of their files."""

from __future__ import annotations

from pathlib import Path, PurePath

from jaxanon.io.kinds.parquets import ParquetShard
from jaxanon.io.kinds.tars import TarShard
from jaxanon.io.parquet_shards import parquet_writer
from jaxanon.io.shards import Shard, ShardKind
from jaxanon.io.tar_shards import tar_writer
from jaxanon.io.urls import Place, Url

SHARD_KINDS = {
    ".tar": ShardKind(TarShard, tar_writer),
    ".parquet": ShardKind(ParquetShard, parquet_writer),
}
"""Suffix, lower case -> the kind."""


def is_shard(place: Place) -> bool:
    """Whether the suffix of a path or URL is that of a shard."""
    known = place.suffix.lower() in SHARD_KINDS
    return known and (isinstance(place, Url) or not place.is_dir())


def kind_of(name: str) -> ShardKind:
    """The kind of a shard."""
    return SHARD_KINDS[PurePath(name).suffix.lower()]


def open_shard(path: Path, name: str) -> Shard:
    """A shard, called by its name.

    Raises:
        UsageError: when it cannot be read, or needs a package.
    """
    return kind_of(path.name).open(path, name)
