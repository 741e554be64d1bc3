"""Tables of adapted pictures that come from elsewhere than a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from jaxanon.errors import ImageError
from jaxanon.io.arrow import pyarrow
from jaxanon.io.files import SUFFIX
from jaxanon.io.kinds.parquets import KEY, OURS, ROWS
from jaxanon.io.new_file import NewFile
from jaxanon.io.shards import Sample, Shard

COLUMN = "image"
"""The column of the pictures, as Hugging Face's package calls it."""
FEATURES = b"huggingface"
"""Where that package keeps the types of columns, in a table's metadata."""
DTYPES = {"double": "float64", "bool": "bool", "string": "string", "int64": "int64"}
"""Arrow's name of a type -> that package's."""


class TableFile:
    """A table that is being written: what both of its `ShardWriter`s share.

    Args:
        file: where it goes.
        schema: its columns.
        form: format of the pictures: `png`, `jpeg` or `webp`.
    """

    def __init__(self, file: NewFile, schema: Any, form: str) -> None:
        self._arrow, self._file, self._suffix = pyarrow(""), file, SUFFIX[form]
        self.schema = schema
        self._writer = pyarrow("parquet").ParquetWriter(file, schema)

    def leave_out(self, sample: Any) -> None:
        """Nothing: what is not added is not there."""

    def commit(self) -> tuple[int, str]:
        """Give the file its name; returns its size and its SHA-256."""
        self._flush()
        self._writer.close()
        self._file.commit()
        return self._file.size, self._file.digest

    def _image(self, sample: Sample, picture: bytes) -> dict[str, Any]:
        """The cell of a picture."""
        return {"bytes": picture, "path": f"{PurePosixPath(sample.key).name}{self._suffix}"}

    def _flush(self) -> None:
        """Write the rows that wait."""
        raise NotImplementedError


class TableWriter(TableFile):
    """Writes rows of `__key__`, `image`, all that samples carry, and the record: a `ShardWriter`.

    Args:
        shard: what is adapted: its samples say which columns there are.
        file: where the table goes.
        form: format of the pictures: `png`, `jpeg` or `webp`.

    Raises:
        ImageError: where samples carry what a table cannot hold.
    """

    def __init__(self, shard: Shard, file: NewFile, form: str) -> None:
        super().__init__(file, _schema(shard, pyarrow("")), form)
        self._rows: list[dict[str, Any]] = []

    def add(self, sample: Sample, picture: bytes, record: dict[str, Any]) -> None:
        """Write a row."""
        image = self._image(sample, picture)
        values = {name: self._fitting(name, value) for name, value in sample.carried().items()}
        self._rows.append({KEY: sample.key, COLUMN: image, **values, OURS: json.dumps(record)})
        if len(self._rows) == ROWS:
            self._flush()

    def _fitting(self, name: str, value: Any) -> Any:
        """A value as its column takes it: where there are several types, all are texts."""
        text = self.schema.field(name).type == self._arrow.string()
        return json.dumps(value) if text and not isinstance(value, str | None) else value

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, self.schema))
            self._rows = []


def _schema(shard: Shard, arrow: Any) -> Any:
    """The columns of a table: what all samples carry, each with the type that holds them all."""
    if shard.columns is not None:
        kinds = {name: arrow.type_for_alias(kind) for name, kind in shard.columns.items()}
    else:
        kinds = _kinds(shard, arrow)
    if taken := {KEY, COLUMN, OURS} & kinds.keys():
        raise ImageError(f"{shard.name}: {taken.pop()} is carried, which is a column of the output")
    fields = [arrow.field(KEY, arrow.string())]
    fields.append(
        arrow.field(COLUMN, arrow.struct({"bytes": arrow.binary(), "path": arrow.string()}))
    )
    fields += [arrow.field(name, kind) for name, kind in kinds.items()]
    fields.append(arrow.field(OURS, arrow.string()))
    features: dict[str, Any] = {
        field.name: {"dtype": DTYPES.get(str(field.type), str(field.type)), "_type": "Value"}
        for field in fields
    }
    features[COLUMN] = {"_type": "Image"}
    plain = all(str(field.type) in {*DTYPES, "binary"} for field in fields if field.name != COLUMN)
    told = {FEATURES: json.dumps({"info": {"features": features}}).encode()} if plain else None
    return arrow.schema(fields, told)


def _kinds(shard: Shard, arrow: Any) -> dict[str, Any]:
    """Column -> type, by the samples of a shard, of which one value of each type is held."""
    found: dict[str, dict[Any, Any]] = {}
    for sample in shard.samples:
        for name, value in sample.carried().items():
            try:
                kind = arrow.array([value]).type
            except (ValueError, TypeError):  # of several types
                kind = arrow.string()
            found.setdefault(name, {}).setdefault(kind, value)
    return {name: _joined(values, arrow) for name, values in found.items()}


def _joined(values: Mapping[Any, Any], arrow: Any) -> Any:
    """The type that holds values of all types; text where there is none.

    Args:
        values: type -> a value of it.
        arrow: pyarrow.
    """
    try:
        kind = arrow.array(list(values.values())).type
    except (ValueError, TypeError):
        return arrow.string()
    return arrow.string() if kind == arrow.null() else kind
