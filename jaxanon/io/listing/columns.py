"""The columns of a whole list, found while it is read: its slices are to become alike tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jaxanon.io.listing.entry import ListEntry

TEXT, INTEGER, NUMBER, TRUTH = "string", "int64", "double", "bool"
"""Kinds of values, as Arrow calls them. What is none of the others is a text."""


class Columns:
    """Notes which columns entries have, and the kind that holds all values of each.

    Attributes:
        kinds: column -> its kind, in the order in which they are met.
    """

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}

    def noted(self, entries: Iterable[ListEntry]) -> Iterator[ListEntry]:
        """The entries, each noted as it passes."""
        found: dict[str, str | None] = {}
        for entry in entries:
            for name, value in entry.columns.items():
                found[name] = _joined(found.get(name), _kind(value))
            yield entry
        self.kinds = {name: kind or TEXT for name, kind in found.items()}


def _kind(value: Any) -> str | None:
    """The kind of a value; None for none."""
    if value is None:
        return None
    if isinstance(value, bool):
        return TRUTH
    if isinstance(value, int):
        return INTEGER if -(2**63) <= value < 2**63 else TEXT
    return NUMBER if isinstance(value, float) else TEXT


def _joined(before: str | None, kind: str | None) -> str | None:
    """The kind that holds values of both."""
    if before is None or kind is None or before == kind:
        return before or kind
    return NUMBER if {before, kind} == {INTEGER, NUMBER} else TEXT
