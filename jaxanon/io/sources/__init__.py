"""Where the pictures of a listing come from: folders, URLs, lists."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from jaxanon.io.listing.entry import ListEntry
from jaxanon.io.sources.folders import entries_in
from jaxanon.io.sources.lists import READERS, entries_of
from jaxanon.io.sources.urls import entries_below
from jaxanon.io.urls import Place, Url


def is_list(given: Place) -> bool:
    """Whether the suffix of a file says that it is a list of pictures."""
    return isinstance(given, Path) and given.suffix.lower() in READERS and not given.is_dir()


def all_entries(given: Sequence[Place], drop: Collection[str] = ()) -> Iterator[ListEntry]:
    """The pictures of all that was given, one after the other.

    Args:
        given: folders, pictures, lists, URLs.
        drop: columns of lists that are left out.

    Raises:
        UsageError: when something is not there, or cannot be read as what it seems to be.
        ImageError: when a server does not answer.
    """
    for each in given:
        if isinstance(each, Url):
            yield from entries_below(each)
        elif is_list(each):
            yield from entries_of(each, drop)
        else:
            yield from entries_in(each)
