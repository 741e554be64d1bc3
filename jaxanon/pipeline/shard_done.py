"""What a finished shard came to, as its marker says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ShardDone:
    """What a finished shard came to: its marker.

    Attributes:
        shard: its name, also that of the adapted shard.
        file: the file that is whole when the shard is: the adapted shard, or the list of its files.
        origin: path or URL of the input shard; empty for a slice of the run's listing.
        source: a text that changes when the input shard does.
        images: number of images in the input shard.
        failed: how many of them were not adapted; they are in the records alone.
        size: bytes of that file.
        sha256: digest of it.
        records_size: bytes of the file of its records.
        records_sha256: digest of it.
        seconds: time that its images took.
    """

    shard: str
    file: str
    origin: str
    source: str
    images: int
    failed: int
    size: int
    sha256: str
    records_size: int
    records_sha256: str
    seconds: float
