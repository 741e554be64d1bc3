"""Parquet shards: tables whose images lie in them, in the form of Hugging Face's `Image`.

A column of images is a struct of `bytes` and `path`
(https://huggingface.co/docs/datasets/image_dataset); the other columns are passed on.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO

from jaxanon.errors import ImageError, UsageError, printable
from jaxanon.io.inputs import register_inputs
from jaxanon.io.pictures import HEAD, looks_like_picture, unsafe_name
from jaxanon.io.spool import Spool

KEY = "__key__"
"""Column that names the samples, as WebDataset's readers call it; else they are numbered."""
OURS = "jaxanon"
"""Column of the records that adapted samples carry."""
ROWS = 100
"""Rows that are read, and written, at once."""


@dataclass(frozen=True)
class RowImage:
    """The picture in a row: an `InputImage`.

    Attributes:
        shard: the table.
        row: number of the row, from 0.
        key: what the row is called; with its number where it has no name of its own.
        suffix: of the picture's name in the table, if it has one.
        place: where its bytes lie on the shard's spool.
        trouble: why the row cannot be used; None where it can.
    """

    shard: ParquetShard
    row: int
    key: str
    suffix: str
    place: tuple[int, int]
    trouble: str | None = None

    @property
    def name(self) -> str:
        """The table's name and the row's."""
        return f"{self.shard.name}/{self.key}"

    @property
    def relative(self) -> PurePath:
        """The row's name below the table's without its suffix."""
        return PurePath(self.shard.path.stem) / f"{self.key}{self.suffix}"

    def open(self) -> BinaryIO:
        if self.trouble is not None:
            raise ImageError(self.trouble)
        return io.BytesIO(self.shard.spool.read(self.place))

    def fingerprint(self) -> str:
        return f"{self.shard.fingerprint()}-{self.row}"


@register_inputs(".parquet")
class ParquetShard:
    """A table with one column of images: a kind of `Inputs`, one image per row.

    The encoded images wait in a temporary file until they are decoded. A row that is not clear
    stands among the images: opening it says why. Such are those without bytes (only a path), with
    a picture in another column too, and with a key that is unsafe or there twice.

    Args:
        path: path of the table.

    Raises:
        UsageError: when it cannot be read, has no column of images or several, or when pyarrow is
            not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parquet = pyarrow("parquet")
        try:
            self.file = self.parquet.ParquetFile(path)
        except (OSError, ValueError) as error:
            raise UsageError(f"{path}: cannot be read as Parquet: {error}") from error
        self.schema = self.file.schema_arrow
        columns = [field.name for field in self.schema if _holds_images(field.type)]
        nested = [name for name in columns if not _is_image(self.schema.field(name).type)]
        if len(columns) != 1 or nested:
            self.file.close()
            found = ", ".join(map(printable, columns)) or "none"
            raise UsageError(
                f"{path}: one column of images is needed, a struct of bytes and path; there are: "
                f"{found}{' (in lists or structs)' if nested else ''}"
            )
        self.column = columns[0]

    @property
    def name(self) -> str:
        """The path as it was given."""
        return str(self.path)

    @property
    def length(self) -> int:
        """Number of rows."""
        return int(self.file.metadata.num_rows)

    def __iter__(self) -> Iterator[RowImage]:
        return iter(self.samples)

    def fingerprint(self) -> str:
        """A text that changes with the size and the time of the file."""
        state = self.path.stat()
        return f"{state.st_size}-{state.st_mtime_ns}"

    @cached_property
    def spool(self) -> Spool:
        """Where the encoded images wait."""
        return Spool()

    def close(self) -> None:
        """Give back the temporary file."""
        self.file.close()
        if "spool" in self.__dict__:
            self.spool.close()

    @cached_property
    def samples(self) -> Sequence[RowImage]:
        """All rows; their encoded images are copied to the temporary file.

        Raises:
            ImageError: when the table is damaged, or the images find no room.
        """
        found: list[RowImage] = []
        try:
            for batch in self.file.iter_batches(ROWS):
                columns = {name: batch.column(name) for name in batch.schema.names}
                for at in range(batch.num_rows):
                    row = {name: column[at] for name, column in columns.items()}
                    found.append(self._sample(len(found), row))
        except (OSError, ValueError) as error:
            raise ImageError(f"{self.name}: damaged: {error}") from error
        times = Counter(sample.key for sample in found)
        return [
            self._unusable(
                replace(sample, key=f"{sample.key}#{sample.row}"),
                f"{printable(sample.key)} is in the table twice",
            )
            if times[sample.key] > 1
            else sample
            for sample in found
        ]

    def _sample(self, number: int, row: dict[str, Any]) -> RowImage:
        image = row[self.column].as_py() or {}
        data, path = image.get("bytes"), image.get("path") or ""
        key = row[KEY].as_py() if KEY in row else f"{number:08d}"
        others = [name for name, value in row.items() if name != self.column and _is_picture(value)]
        named = isinstance(key, str) and key != ""
        key = key if named else f"#{number}"
        made = RowImage(self, number, key, PurePosixPath(path).suffix, (0, 0))
        if not named:
            return self._unusable(made, f"row {number} has no {KEY}")
        if why := unsafe_name(key) or unsafe_name(made.suffix):
            return self._unusable(made, f"the name {printable(key + made.suffix)} {why}")
        if not data:
            return self._unusable(made, f"row {number} has no bytes in {self.column}")
        if others:
            return self._unusable(
                made,
                f"row {number} has pictures in {self.column} and in {', '.join(others)}: which is "
                "private is not clear",
            )
        return replace(made, place=self.spool.add(data))

    def _unusable(self, sample: RowImage, trouble: str) -> RowImage:
        return replace(sample, place=(0, 0), trouble=trouble)


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


def _is_image(kind: Any) -> bool:
    """Whether a type is that of Hugging Face's images."""
    types = pyarrow("types")
    if not types.is_struct(kind) or {field.name for field in kind} != {"bytes", "path"}:
        return False
    held = kind.field("bytes").type
    return bool(types.is_binary(held) or types.is_large_binary(held))


def _holds_images(kind: Any) -> bool:
    """Whether there are images in a type, however deep."""
    if _is_image(kind):
        return True
    return any(_holds_images(kind.field(i).type) for i in range(kind.num_fields))


def _is_picture(value: Any) -> bool:
    """Whether a value is bytes that begin like a picture."""
    types = pyarrow("types")
    if not (types.is_binary(value.type) or types.is_large_binary(value.type)) or not value.is_valid:
        return False
    data = value.as_buffer()
    return looks_like_picture(data.slice(0, min(HEAD, data.size)).to_pybytes(), data.size)
