"""What other programs read of a run over a data set: records as a table, values of pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, fields
from itertools import islice
from typing import Any

from jaxanon.errors import UsageError, printable
from jaxanon.io.arrow import pyarrow
from jaxanon.io.folder_shards import VALUES
from jaxanon.io.shard_kinds import LISTS
from jaxanon.pipeline.manifest import METADATA, TABLE, Manifest
from jaxanon.pipeline.record import Record

ROWS = 10_000
"""Records that are written at once."""
NESTED = ("decisions", "score")
"""Fields that are written as JSON."""


def write_table(manifest: Manifest) -> None:
    """Write the records of a run as Parquet, one row per image; not without pyarrow.

    Raises:
        UsageError: where the manifest cannot be read.
        ImageError: when the table cannot be written.
    """
    try:
        arrow, parquet = pyarrow(""), pyarrow("parquet")
    except UsageError:
        return
    kinds = {"int": arrow.int64(), "float": arrow.float64()}
    schema = arrow.schema(
        [("shard", arrow.string())]
        + [
            (each.name, kinds.get(str(each.type).split(" ")[0], arrow.string()))
            for each in fields(Record)
        ]
    )
    rows = _rows(manifest)
    file = manifest.store.create(TABLE)
    try:
        with parquet.ParquetWriter(file, schema) as writer:
            while some := list(islice(rows, ROWS)):
                writer.write_table(arrow.Table.from_pylist(some, schema))
        file.commit()
    finally:
        file.discard()


def _rows(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for done in manifest.shards():
        for record in manifest.records(done):
            row = {
                name: printable(value) if isinstance(value, str) else value
                for name, value in asdict(record).items()
            }
            nested = {name: json.dumps(row[name]) for name in NESTED if row[name] is not None}
            yield {"shard": done.shard, **row, **nested}


def write_metadata(manifest: Manifest) -> None:
    """Write what the pictures of a folder carry, a line of JSON for each, if one carries something.

    Raises:
        ImageError: when it cannot be written.
    """
    store = manifest.store
    there = {name for name in store.names(LISTS) if name.endswith(VALUES)}
    finished = (f"{LISTS}/{done.shard}{VALUES}" for done in manifest.shards())
    wanted = [name for name in finished if name in there]
    if not any(len(json.loads(line)) > 1 for name in wanted for line in store.lines(name)):
        return  # the name alone is nothing to say
    file = store.create(METADATA)
    try:
        for name in wanted:
            for line in store.lines(name):
                file.write(line)
        file.commit()
    finally:
        file.discard()
