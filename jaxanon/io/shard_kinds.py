"""The kinds of shards, by the suffix of their files."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePath

from jaxanon.io.folder_shards import folder_writer
from jaxanon.io.kinds.parquets import ParquetShard, is_list_table
from jaxanon.io.kinds.tars import TarShard
from jaxanon.io.parquet_shards import parquet_writer
from jaxanon.io.shards import Sample, Shard, ShardKind
from jaxanon.io.tar_shards import tar_writer
from jaxanon.io.urls import Place, Url

SHARD_KINDS = {
    ".tar": ShardKind(TarShard, tar_writer),
    ".parquet": ShardKind(ParquetShard, parquet_writer),
    ".arrow": ShardKind(ParquetShard, parquet_writer),
}
"""Suffix, lower case -> the kind."""
WRITTEN_AS = {".arrow": ".parquet"}
"""Suffix of shards -> that of what is made of them, where it is another one.

A file of `save_to_disk` is a part of a folder that counts its files; a table is one by itself.
"""
TO = {"folder": "", "tar": ".tar", "parquet": ".parquet"}
"""What `--to` names -> suffix of what is made."""
FOLDER = ShardKind(None, folder_writer)
"""The kind of what is no one file, but many."""
LISTS = "lists"
"""Folder of the output for what says which files belong to what."""


def is_shard(place: Place) -> bool:
    """Whether a path or URL is that of a shard: by the suffix; a list of paths is none."""
    if place.suffix.lower() not in SHARD_KINDS:
        return False
    if isinstance(place, Url):
        return True
    return not place.is_dir() and not (place.suffix.lower() == ".parquet" and is_list_table(place))


def kind_of(name: str) -> ShardKind:
    """The kind of a shard by its name."""
    return SHARD_KINDS.get(PurePath(name).suffix.lower(), FOLDER)


def file_of(name: str) -> str:
    """The file of an output that is whole when a shard of that name is: itself, or its list."""
    return f"{LISTS}/{name}.sha256" if kind_of(name) is FOLDER else name


def is_list_of_files(path: str) -> bool:
    """Whether a file of the output says which files belong to a unit."""
    return path.startswith(f"{LISTS}/")


def place_in(name: str, sample: Sample, suffix: str) -> str:
    """Where the picture of a sample lies, seen from the output folder."""
    folder = kind_of(name) is FOLDER
    return f"{sample.file}{suffix}" if folder else f"{name}/{sample.key}{suffix}"


def open_shard(path: Path, name: str, drop: Collection[str] = ()) -> Shard:
    """A shard, called by its name, as if what is to be dropped were not there.

    Raises:
        UsageError: when it cannot be read, or needs a package.
    """
    opener = kind_of(path.name).open
    assert opener is not None
    return opener(path, name, drop)
