"""Adapted tables: rows with the adapted picture, their other columns, and their record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jaxanon.errors import ImageError
from jaxanon.io.arrow import DAMAGE, as_bare, bare, pyarrow
from jaxanon.io.kinds.parquets import OURS, ParquetShard, RowImage, Rows
from jaxanon.io.new_file import NewFile
from jaxanon.io.new_tables import TableFile, TableWriter
from jaxanon.io.shards import Shard, ShardWriter
from jaxanon.io.stores.store import Store

FEATURES = b"huggingface"
"""Where Hugging Face's package keeps the types of columns, in a table's metadata."""


class ParquetWriter(TableFile):
    """Writes the rows of an adapted table: a `ShardWriter`.

    Args:
        shard: the table that is adapted.
        file: where the adapted one goes.
        form: format of the pictures: `png`, `jpeg` or `webp`.
    """

    def __init__(self, shard: ParquetShard, file: NewFile, form: str) -> None:
        super().__init__(file, _with_records(shard.schema, pyarrow("")), form)
        self._column = shard.column
        self._source = Rows(shard)
        self._batch: Any = None
        self._rows: list[tuple[int, dict[str, Any], str]] = []

    def add(self, sample: RowImage, picture: bytes, record: dict[str, Any]) -> None:
        """Write a row: all columns as they were, the adapted picture, the record."""
        batch, at = self._source.find(sample.row)
        if batch is not self._batch:
            self._flush()
            self._batch = batch
        self._rows.append((at, self._image(sample, picture), json.dumps(record)))

    def _flush(self) -> None:
        """Write the rows that were added of the batch at hand."""
        if not self._rows:
            return
        places, images, records = zip(*self._rows, strict=True)
        kept = self._batch.take(self._arrow.array(places))
        columns = {name: as_bare(kept.column(name)) for name in kept.schema.names}
        kind = self.schema.field(self._column).type
        columns[self._column] = self._arrow.array(images, kind)
        columns[OURS] = self._arrow.array(records)
        arrays = [columns[name] for name in self.schema.names]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self.schema))
        self._rows = []


def _with_records(schema: Any, arrow: Any) -> Any:
    """A table's columns, and that of the records; also for Hugging Face's package."""
    if OURS in schema.names:  # of an earlier adaptation
        schema = schema.remove(schema.get_field_index(OURS))
    schema = schema.append(arrow.field(OURS, arrow.string()))
    # Nothing else of the metadata goes on: it may tell of the originals.
    known = (schema.metadata or {}).get(FEATURES, b"")
    fields = [arrow.field(each.name, bare(each.type), each.nullable) for each in schema]
    try:
        features = json.loads(known)["info"]["features"]
        features = {name: kind for name, kind in features.items() if name in schema.names}
        features[OURS] = {"dtype": "string", "_type": "Value"}
        metadata = {FEATURES: json.dumps({"info": {"features": features}}).encode()}
    except (KeyError, TypeError, ValueError):
        metadata = {}
    return arrow.schema(fields, metadata)


@contextmanager
def parquet_writer(shard: Shard, store: Store, name: str, form: str) -> Iterator[ShardWriter]:
    """The writer of an adapted table, see `ShardKind`."""
    file = store.create(name)
    try:
        if isinstance(shard, ParquetShard):
            yield ParquetWriter(shard, file, form)
        else:
            yield TableWriter(shard, file, form)
    except ImageError:
        raise
    except DAMAGE as error:
        raise ImageError(f"{store.name}/{name}: cannot be written: {error}") from error
    finally:
        file.discard()
