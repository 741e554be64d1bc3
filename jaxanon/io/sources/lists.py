"""Lists of pictures: CSV, JSON Lines and Parquet with a column of paths or URLs.

Such as the `metadata.csv`, `metadata.jsonl` and `metadata.parquet` of image folders
(https://huggingface.co/docs/datasets/image_dataset). The other columns are passed on.
"""

from __future__ import annotations

import csv
import json
import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from jaxanon.errors import UsageError, printable
from jaxanon.io.arrow import DAMAGE, has_bytes, pyarrow
from jaxanon.io.kinds.parquets import PATHS
from jaxanon.io.listing.entry import ListEntry
from jaxanon.io.urls import Place, Url, place

ROWS = 1000
"""Rows of a table that are read at once."""
Row = Mapping[str, Any]


def entries_of(path: Path, drop: Collection[str] = ()) -> Iterator[ListEntry]:
    """The pictures of a list, in its order. Paths are relative to the list's folder.

    A row without a path is an entry that says so.

    Args:
        path: path of the list.
        drop: columns that are left out.

    Raises:
        UsageError: when the list cannot be read, or has no column of paths, or none to drop.
    """
    try:
        column, missing = "", {*drop}
        for number, row in enumerate(READERS[path.suffix.lower()](path, drop), 1):
            found = [name for name in PATHS if name in row]
            if len(found) != 1 or (column and found[0] != column):
                raise UsageError(
                    f"{path}: row {number} has {' and '.join(found) or 'neither'} of the columns "
                    f"{' and '.join(PATHS)}; give every row one and the same"
                )
            column = found[0]
            missing -= row.keys()
            rest = {str(n): value for n, value in row.items() if n != column and n not in drop}
            yield _entry(path, number, row[column], rest)
        if missing:
            raise UsageError(f"{path}: has no column {printable(min(missing))} to drop")
    except UsageError:
        raise
    except (*DAMAGE, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as a list: {error}") from error


def _entry(listed: Path, number: int, given: object, columns: Row) -> ListEntry:
    if not isinstance(given, str) or not given.strip():
        name = f"row-{number}"
        trouble = f"row {number} has no path"
        return ListEntry("", f"{listed}: row {number}", name, "", columns, trouble=trouble)
    try:
        found = place(given)
    except ValueError as error:
        return ListEntry("", given, f"row-{number}", "", columns, trouble=str(error))
    if not isinstance(found, Url):
        found = (listed.parent / found).absolute()
    relative = _below(listed.parent, found, given)
    name = relative.with_suffix("").as_posix() if relative.name else f"row-{number}"
    return ListEntry(str(found), printable(given), name, relative.suffix, columns)


def _below(folder: Path, found: Place, given: str) -> PurePosixPath:
    """Where a picture lies below the list's folder; elsewhere, its name says nothing of where."""
    if isinstance(found, Url):
        return PurePosixPath(found.name)
    if PurePosixPath(given).is_absolute():
        inside = folder.absolute() in found.parents
        return PurePosixPath(found.relative_to(folder.absolute()) if inside else found.name)
    parts = PurePosixPath(posixpath.normpath(given)).parts
    return PurePosixPath(*(part for part in parts if part != ".."))


def _csv(path: Path, _drop: Collection[str]) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            if None in row or None in row.values():
                raise UsageError(f"{path}: row {number} has more or fewer cells than the header")
            yield row


def _json_lines(path: Path, _drop: Collection[str]) -> Iterator[Row]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = dict(json.loads(line))
            except (ValueError, TypeError) as error:
                raise UsageError(f"{path}: line {number} is no JSON object: {error}") from error
            yield row


def _parquet(path: Path, drop: Collection[str]) -> Iterator[Row]:
    with pyarrow("parquet").ParquetFile(path) as file:
        fields = [field for field in file.schema_arrow if field.name not in drop]
        if found := [field.name for field in fields if has_bytes(field.type)]:
            raise UsageError(
                f"{path}: the column {printable(found[0])} has bytes, which may be pictures; "
                "--drop it"
            )
        left_out = {name: None for name in drop if name in file.schema_arrow.names}
        for batch in file.iter_batches(ROWS, columns=[field.name for field in fields]):
            yield from (row | left_out for row in batch.to_pylist())


READERS: dict[str, Callable[[Path, Collection[str]], Iterator[Row]]] = {
    ".csv": _csv,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
}
"""Suffix of a list -> what reads its rows; values of columns that are dropped do not matter."""
