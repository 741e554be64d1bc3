"""Parquet shards: tables whose images lie in them, in the form of Hugging Face's `Image`.

A column of images is a struct of `bytes` and `path`
(https://huggingface.co/docs/datasets/image_dataset); the other columns are passed on.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, BinaryIO

from jaxanon.errors import ImageError, UsageError, printable
from jaxanon.io.arrow import DAMAGE, ArrowFile, has_bytes, is_image, pyarrow
from jaxanon.io.files import size_and_time
from jaxanon.io.inputs import register_inputs
from jaxanon.io.pictures import refuse_hidden_pictures, unsafe_name
from jaxanon.io.shards import warn_of_missing
from jaxanon.io.spool import Spool

KEY = "__key__"
"""Column that names the samples, as WebDataset's readers call it; else they are numbered."""
OURS = "jaxanon"
"""Column of the records that adapted samples carry."""
PATHS = ("file_name", "path")
"""Columns that may hold paths, of which a list of pictures has one."""
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

    @property
    def file(self) -> str:
        """The row's name below the table's without its suffix."""
        return PurePosixPath(self.shard.path.stem, self.key).as_posix()

    def carried(self) -> dict[str, Any]:
        """The other columns; not the record of an earlier adaptation, nor the name."""
        batch, at = self.shard.rows.find(self.row)
        names = (n for n in batch.schema.names if n not in (self.shard.column, OURS, KEY))
        return {name: batch.column(name)[at].as_py() for name in names}

    def open(self) -> BinaryIO:
        if self.trouble is not None:
            raise ImageError(self.trouble)
        return io.BytesIO(self.shard.spool.read(self.place))

    def fingerprint(self) -> str:
        return f"{self.shard.fingerprint()}-{self.row}"


@register_inputs(".parquet", ".arrow")
class ParquetShard:
    """A table with one column of images: a kind of `Inputs`, one image per row.

    The table is Parquet, or a file of those that Hugging Face's `save_to_disk` writes (`.arrow`).

    The encoded images wait in a temporary file until they are decoded. A row that is not clear
    stands among the images: opening it says why. Such are those without bytes (only a path), and
    those with a key that is unsafe or there twice.

    Args:
        path: path of the table.
        name: what reports and error messages call it (default: the path).
        drop: columns that are as if they were not there.

    Raises:
        UsageError: when it cannot be read, has no column of images or several, or another column
            with bytes in it, or when pyarrow is not installed.
    """

    columns = None

    def __init__(self, path: Path, name: str = "", drop: Collection[str] = ()) -> None:
        self.path, self.name = path, name or str(path)
        arrow = path.suffix.lower() == ".arrow"
        try:
            self.file = ArrowFile(path) if arrow else pyarrow("parquet").ParquetFile(path)
        except UsageError:
            raise
        except DAMAGE as error:
            what = "Arrow's stream format" if arrow else "Parquet"
            raise UsageError(f"{self.name}: cannot be read as {what}: {error}") from error
        fields = [field for field in self.file.schema_arrow if field.name not in drop]
        self.schema = pyarrow("").schema(fields, self.file.schema_arrow.metadata)
        warn_of_missing(self.name, {*drop} - {*self.file.schema_arrow.names})
        images = [field.name for field in self.schema if is_image(field.type)]
        others = [
            field.name
            for field in self.schema
            if field.name not in images and has_bytes(field.type)
        ]
        names = self.schema.names
        self.column = images[0] if len(images) == 1 else ""
        if self.column in ("", OURS) or others or len(set(names)) < len(names):
            self.file.close()
            found = [", ".join(map(printable, some)) or "none" for some in (images, others, names)]
            raise UsageError(
                f"{self.name}: one column of images is needed, a struct of bytes and path (here: "
                f"{found[0]}), and no other column with bytes, which may be pictures (here: "
                f"{found[1]}), all of different names (here: {found[2]}); --drop the others"
            )

    @property
    def length(self) -> int:
        """Number of rows."""
        return int(self.file.metadata.num_rows)

    def __iter__(self) -> Iterator[RowImage]:
        return iter(self.samples)

    def fingerprint(self) -> str:
        """A text that changes with the size and the time of the file."""
        return size_and_time(self.path)

    @cached_property
    def spool(self) -> Spool:
        """Where the encoded images wait."""
        return Spool()

    @cached_property
    def rows(self) -> Rows:
        """The rows, read anew."""
        return Rows(self)

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
            for batch in self.batches():
                columns = {name: batch.column(name) for name in batch.schema.names}
                for at in range(batch.num_rows):
                    row = {name: column[at] for name, column in columns.items()}
                    found.append(self._sample(len(found), row))
        except ImageError:
            raise  # no room
        except DAMAGE as error:
            raise ImageError(f"{self.name}: damaged: {error}") from error
        times = Counter(sample.key for sample in found)
        return [
            self._unusable(
                replace(sample, key=f"(row {sample.row})"),
                f"{printable(sample.key)} is in the table twice",
            )
            if times[sample.key] > 1
            else sample
            for sample in found
        ]

    def batches(self) -> Iterator[Any]:
        """The rows, so many at once, without the columns that are dropped."""
        for batch in self.file.iter_batches(ROWS):
            yield batch.select(self.schema.names)

    def _sample(self, number: int, row: dict[str, Any]) -> RowImage:
        image = row[self.column].as_py() or {}
        data, path = image.get("bytes"), image.get("path") or ""
        key = row[KEY].as_py() if KEY in row else f"{number:08d}"
        key = str(key) if isinstance(key, int) else key
        named = isinstance(key, str) and key != ""
        key = key if named else f"(row {number})"
        made = RowImage(self, number, key, PurePosixPath(path).suffix, (0, 0))
        if not named:
            return self._unusable(made, f"row {number} has no {KEY}")
        if why := unsafe_name(key) or unsafe_name(made.suffix):
            return self._unusable(made, f"the name {printable(key + made.suffix)} {why}")
        if not data:
            return self._unusable(made, f"row {number} has no bytes in {self.column}")
        others = {n: each.as_py() for n, each in row.items() if n not in (self.column, OURS)}
        try:
            refuse_hidden_pictures(others)
        except ImageError as error:
            return self._unusable(made, f"row {number}: {error}")
        return replace(made, place=self.spool.add(data))

    def _unusable(self, sample: RowImage, trouble: str) -> RowImage:
        return replace(sample, place=(0, 0), trouble=trouble)


class Rows:
    """The rows of a table, to be found in their order: no more than a batch is held.

    Args:
        shard: the table.
    """

    def __init__(self, shard: ParquetShard) -> None:
        self._batches = shard.batches()
        self._batch: Any = None
        self._start = self._end = 0

    def find(self, row: int) -> tuple[Any, int]:
        """The batch that a row is in, and the row's number in it."""
        while row >= self._end:
            self._batch = next(self._batches)
            self._start, self._end = self._end, self._end + self._batch.num_rows
        return self._batch, row - self._start


def is_list_table(path: Path) -> bool:
    """Whether a table has no column of images, but one of paths (see `jaxanon.io.sources.lists`).

    Raises:
        UsageError: when pyarrow is not installed.
    """
    try:
        schema = pyarrow("parquet").read_schema(path)
    except DAMAGE:
        return False
    no_images = not any(is_image(field.type) for field in schema)
    return no_images and any(name in schema.names for name in PATHS)
