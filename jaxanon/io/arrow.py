"""What tables need of pyarrow: its modules, files in Arrow's stream format, kinds of columns."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from jaxanon.errors import UsageError

DAMAGE = (OSError, ValueError, TypeError, LookupError, NotImplementedError, MemoryError)
"""What reading a damaged or unusual table raises."""


def pyarrow(module: str) -> Any:
    """A module of pyarrow.

    Raises:
        UsageError: when it is not installed.
    """
    try:
        return import_module(f"pyarrow.{module}" if module else "pyarrow")
    except ImportError as error:
        raise UsageError(
            "Parquet needs the extra datasets: pip install 'jaxanon[datasets]'"
        ) from error


class ArrowFile:
    """A file in Arrow's stream format, with what is needed here of pyarrow's `ParquetFile`.

    https://arrow.apache.org/docs/python/ipc.html describes the format.

    Args:
        path: path of the file.

    Raises:
        OSError, ValueError: when it is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._map = pyarrow("").memory_map(str(path))
        try:
            self.schema_arrow = self._open().schema
            self.num_rows = sum(batch.num_rows for batch in self._open())
        except DAMAGE:
            self._map.close()
            raise

    @property
    def metadata(self) -> ArrowFile:
        """What tells the number of rows: itself."""
        return self

    def iter_batches(self, rows: int) -> Iterator[Any]:
        """The rows, so many at once at most."""
        for batch in self._open():
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)

    def close(self) -> None:
        """Close the file."""
        self._map.close()

    def _open(self) -> Any:
        self._map.seek(0)
        return pyarrow("ipc").open_stream(self._map.read_buffer())


def is_image(kind: Any) -> bool:
    """Whether a type is that of Hugging Face's images."""
    types = pyarrow("types")
    if not types.is_struct(kind) or {field.name for field in kind} != {"bytes", "path"}:
        return False
    held = kind.field("bytes").type
    return bool(types.is_binary(held) or types.is_large_binary(held))


def has_bytes(kind: Any) -> bool:
    """Whether there are bytes in a type, however deep, or numbers that may be pixels."""
    types = pyarrow("types")
    if types.is_dictionary(kind):
        return has_bytes(kind.value_type)
    if isinstance(kind, pyarrow("").BaseExtensionType):
        return has_bytes(kind.storage_type)
    inner = [kind.field(i).type for i in range(kind.num_fields)]
    if _is_list(kind) and (
        types.is_int8(inner[0]) or types.is_uint8(inner[0]) or _is_list(inner[0])
    ):
        return True  # such as the pixels of a picture
    return "binary" in str(kind) or any(map(has_bytes, inner))


def bare(kind: Any) -> Any:
    """A type as it may be passed on: without what it tells of rows that are not.

    Dictionaries become their values, since they hold those of all rows; fields within lose their
    metadata.
    """
    arrow, types = pyarrow(""), pyarrow("types")
    if types.is_dictionary(kind):
        return bare(kind.value_type)
    if types.is_struct(kind):
        return arrow.struct([_bare_field(field) for field in kind])
    if types.is_map(kind):
        return arrow.map_(bare(kind.key_type), bare(kind.item_type))
    if types.is_fixed_size_list(kind):
        return arrow.list_(_bare_field(kind.value_field), kind.list_size)
    if types.is_list(kind):
        return arrow.list_(_bare_field(kind.value_field))
    return arrow.large_list(_bare_field(kind.value_field)) if types.is_large_list(kind) else kind


def as_bare(column: Any) -> Any:
    """A column in its bare type."""
    wanted = bare(column.type)
    if column.type == wanted:
        return column
    return pyarrow("").array(column.to_pylist(), wanted)


def _bare_field(field: Any) -> Any:
    return pyarrow("").field(field.name, bare(field.type), field.nullable)


def _is_list(kind: Any) -> bool:
    types = pyarrow("types")
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
