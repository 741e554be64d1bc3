"""From what is found, in whatever order and under whatever names, to a listing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import PurePosixPath

from jaxanon.errors import UsageError, printable
from jaxanon.io.listing.entry import ListEntry
from jaxanon.io.listing.sorting import LINES, sorted_lines


def listing_lines(entries: Iterable[ListEntry], at_once: int = LINES) -> Iterator[bytes]:
    """The lines of a listing: the entries in their order, of which none is called as another.

    Where two would be (`a.png`, `a.jpg`), each gets its suffix into its name (`a_png`, `a_jpg`);
    where that does not help, it is numbered.

    Args:
        entries: in the order that is wanted.
        at_once: how many are held in memory.

    Raises:
        UsageError: where two names cannot be told apart even so.
    """
    found = (
        _keyed(entry.name, b"%012d\t%s" % (number, entry.line()))
        for number, entry in enumerate(entries)
    )
    named = _told_apart(sorted_lines(found, at_once))
    checked = _checked(sorted_lines(named, at_once))
    for line in sorted_lines(checked, at_once):
        yield line.partition(b"\t")[2]


def key_of(name: str) -> str:
    """A name without dots in its last part: in a tar, the key of a sample ends at the first."""
    path = PurePosixPath(name)
    return path.with_name(path.name.replace(".", "_")).as_posix()


def _keyed(name: str, rest: bytes) -> bytes:
    """A line that sorts by what a name must not share with another."""
    # As JSON has it: no tabs, no ends of lines, and no letters that cannot be encoded.
    return b"%s\t%s" % (json.dumps(key_of(name).casefold()).encode(), rest)


def _told_apart(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines by their new names, where several had the same."""
    for _, group in groupby(lines, key=_key):
        same = list(group)
        if len(same) == 1:
            yield same[0]
            continue
        seen: Counter[str] = Counter()
        for line in same:
            _, number, text = line.split(b"\t", 2)
            entry = ListEntry.read(text)
            name = f"{entry.name}_{entry.suffix.lstrip('.')}" if entry.suffix else entry.name
            seen[key_of(name).casefold()] += 1
            times = seen[key_of(name).casefold()]
            name = f"{name}-{times}" if times > 1 else name
            yield _keyed(name, b"%s\t%s" % (number, replace(entry, name=name).line()))


def _checked(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their keys, by number; raises UsageError where two keys are the same."""
    before = b""
    for line in lines:
        key, _, rest = line.partition(b"\t")
        if key == before:
            shown = printable(ListEntry.read(rest.partition(b"\t")[2]).shown)
            raise UsageError(f"{shown} and another picture would get one name; rename one of them")
        before = key
        yield rest


def _key(line: bytes) -> bytes:
    return line.partition(b"\t")[0]
