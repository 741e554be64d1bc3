"""The kinds of shards, by the suffix of their files."""

from __future__ import annotations

from pathlib import Path

from jaxanon.io.kinds.parquets import ParquetShard
from jaxanon.io.kinds.tars import TarShard
from jaxanon.io.parquet_shards import parquet_writer
from jaxanon.io.shards import Shard, ShardKind
from jaxanon.io.tar_shards import tar_writer

SHARD_KINDS = {
    ".tar": ShardKind(TarShard, tar_writer),
    ".parquet": ShardKind(ParquetShard, parquet_writer),
}
"""Suffix, lower case -> the kind."""


def is_shard(path: Path) -> bool:
    """Whether the suffix of a path is that of a shard."""
    return path.suffix.lower() in SHARD_KINDS and not path.is_dir()


def kind_of(path: Path) -> ShardKind:
    """The kind of a shard."""
    return SHARD_KINDS[path.suffix.lower()]


def open_shard(path: Path) -> Shard:
    """A shard.

    Raises:
        UsageError: when it cannot be read, or needs a package.
    """
    return kind_of(path).open(path)
