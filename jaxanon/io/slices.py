"""Slices of a listing: so many pictures that are adapted together, as those of a shard are."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from jaxanon.errors import ImageError, printable
from jaxanon.io.files import real_path, size_and_time
from jaxanon.io.kinds.folders import InputFile
from jaxanon.io.listing.entry import ListEntry
from jaxanon.io.pictures import refuse_hidden_pictures, unsafe_name
from jaxanon.io.stores import open_store
from jaxanon.io.stores.patience import file_system, patiently
from jaxanon.io.stores.store import Store
from jaxanon.io.urls import Place, Url, place

LISTING = "lists/inputs.jsonl"
"""Where the listing of a run lies in its output folder."""
GIVEN = "lists/given.json"
"""What was listed there, and the columns of it."""


@dataclass(frozen=True)
class ListedImage:
    """A picture of a listing: a `Sample`.

    Attributes:
        entry: what the listing says.
    """

    entry: ListEntry

    @property
    def name(self) -> str:
        return self.entry.shown

    @property
    def relative(self) -> PurePath:
        return PurePath(f"{self.entry.name}{self.entry.suffix}")

    @property
    def key(self) -> str:
        return self.entry.name

    @property
    def file(self) -> str:
        """The key, which is like no other."""
        return self.entry.name

    def carried(self) -> dict[str, Any]:
        """What the list says of the picture."""
        return dict(self.entry.columns)

    def open(self) -> BinaryIO:
        if self.entry.trouble is not None:
            raise ImageError(self.entry.trouble)
        if why := unsafe_name(self.entry.name):
            raise ImageError(f"the name {printable(self.entry.name)} {why}")
        refuse_hidden_pictures(self.carried())
        where = place(self.entry.place)
        if isinstance(where, Url):
            return io.BytesIO(patiently(where, file_system(where).cat_file, str(where)))
        return InputFile(where, self.relative).open()

    def lies_at(self, store: Store, name: str) -> bool:
        """Whether the picture is what a file of a store would replace."""
        where = place(self.entry.place)
        if isinstance(where, Url):
            return str(where) == f"{store.name}/{name}"
        return store.scratch is not None and real_path(where) == real_path(store.scratch / name)

    def fingerprint(self) -> str:
        where = place(self.entry.place)
        state = "" if isinstance(where, Url) or not self.entry.place else "gone"
        with suppress(OSError):
            state = size_and_time(where) if isinstance(where, Path) and state else state
        return f"{self.entry.state}{state}"


class SliceShard:
    """Some pictures of a listing: a `Shard`.

    Args:
        name: what reports and error messages call it.
        samples: the pictures.
        columns: kinds of the columns of the whole list, by name.
    """

    def __init__(
        self, name: str, samples: Sequence[ListedImage], columns: Mapping[str, str]
    ) -> None:
        self.name, self.samples, self.columns = name, samples, columns

    @property
    def length(self) -> int:
        """Number of pictures."""
        return len(self.samples)

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Slice:
    """Some lines of a listing: a `Work`.

    Attributes:
        listed: folder or URL that the listing is in.
        listing: its name there.
        start: byte where the first line begins.
        stop: byte where the last line ends.
        length: number of lines.
        name: of what is made of it.
    """

    listed: Place
    listing: str
    start: int
    stop: int
    length: int
    name: str

    @property
    def shown(self) -> str:
        """The name: the pictures have names of their own."""
        return self.name

    @property
    def origin(self) -> str:
        """Empty: pictures of other places are in another listing."""
        return ""

    def state(self) -> str:
        digest = hashlib.sha256()
        for sample in self._read():
            digest.update(sample.entry.line() + f"{sample.fingerprint()}\n".encode())
        return digest.hexdigest()

    @contextmanager
    def open(self) -> Iterator[SliceShard]:
        columns = json.loads(open_store(self.listed).read(GIVEN))["columns"]
        yield SliceShard(self.name, self._read(), columns)

    def _read(self) -> Sequence[ListedImage]:
        """The samples; not kept, as all slices of a run are held."""
        text = open_store(self.listed).part(self.listing, self.start, self.stop)
        try:
            return [ListedImage(ListEntry.read(line)) for line in text.splitlines()]
        except (ValueError, TypeError) as error:
            raise ImageError(f"{self.listed}/{self.listing}: damaged: {error!r}") from error


def slices_of(store: Store, listed: Place, listing: str, size: int, suffix: str) -> list[Slice]:
    """The slices of a listing, in its order.

    Args:
        store: where the listing is.
        listed: the same, seen from every process.
        listing: its name there.
        size: pictures in a slice; the last one may have fewer.
        suffix: of what is made of them: `.tar`, `.parquet`, or empty for files.
    """
    found: list[Slice] = []
    start = stop = length = 0

    def add() -> None:
        name = f"slice-{len(found):06d}{suffix}"
        found.append(Slice(listed, listing, start, stop, length, name))

    for line in store.lines(listing):
        stop, length = stop + len(line), length + 1
        if length == size:
            add()
            start, length = stop, 0
    if length:
        add()
    return found


def possible_files(store: Store, suffixes: Sequence[str]) -> Iterator[str]:
    """What the pictures of the listing in an output folder may be called there.

    Args:
        store: the output folder.
        suffixes: of the formats that they may have.
    """
    for line in store.lines(LISTING):
        with suppress(ValueError, TypeError):  # a damaged line names nothing
            name = ListEntry.read(line).name
            if not unsafe_name(name):
                yield from (f"{name}{suffix}" for suffix in suffixes)
