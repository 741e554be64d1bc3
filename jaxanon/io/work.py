"""Units of work: what a worker is handed, in whatever process, and makes one shard of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

from jaxanon.io.fetching import local_file, state_of
from jaxanon.io.shard_kinds import WRITTEN_AS, open_shard
from jaxanon.io.shards import Shard
from jaxanon.io.urls import Place


class Work(Protocol):
    """A unit of work; can be sent to another process.

    Attributes:
        name: of what is made of it, its records and its marker.
        shown: what error messages call it.
        origin: path or URL of the input; empty where the run's own listing says which it is.
    """

    @property
    def name(self) -> str: ...

    @property
    def shown(self) -> str: ...

    @property
    def origin(self) -> str: ...

    def state(self) -> str:
        """A text that changes when the input does; raises OSError or ImageError without it."""
        ...

    def open(self) -> AbstractContextManager[Shard]:
        """The samples of it, to be read while the context lasts.

        Raises:
            OSError, UsageError, ImageError: when it cannot be read.
        """
        ...


@dataclass(frozen=True)
class ShardFile:
    """A file of samples: a `Work`.

    Attributes:
        place: where it lies, seen from every process.
        shown: the same, as it was given.
        to: suffix of what is made of it, empty for files of a folder; None for the same.
        drop: members, by what follows the key, or columns that are left out.
    """

    place: Place
    shown: str
    to: str | None = None
    drop: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """That of the file, and of what is made of it, but for the suffix."""
        name, suffix = self.place.name, self.place.suffix
        to = WRITTEN_AS.get(suffix.lower(), suffix) if self.to is None else self.to
        return name.removesuffix(suffix) + to

    @property
    def origin(self) -> str:
        """The place."""
        return str(self.place)

    def state(self) -> str:
        return state_of(self.place)

    @contextmanager
    def open(self) -> Iterator[Shard]:
        with (
            local_file(self.place) as path,
            closing(open_shard(path, self.shown, self.drop)) as shard,
        ):
            yield shard
