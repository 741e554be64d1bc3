"""What an earlier run has done, as its journal says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from jaxanon.adaptation.settings import FORMER_NAMES
from jaxanon.io.results import ResultPlace
from jaxanon.pipeline.item import Item
from jaxanon.pipeline.record import Record

RENAMED = {**FORMER_NAMES, "towards": "target_class"}
"""Names that options had in the journals of earlier versions -> their names now."""


@dataclass(frozen=True)
class Row:
    """One image in the journal.

    Attributes:
        record: what happened to it.
        fingerprint: fingerprint of what it was made from.
        place: identity of the place of the adapted image; None in journals of earlier versions.
        beside: identities of what was saved besides, such as low-resolution views; None in
            journals of earlier versions.
    """

    record: Record
    fingerprint: str
    place: str | None = None
    beside: tuple[str, ...] | None = None

    @classmethod
    def of(cls, item: Item, record: Record) -> Row:
        """The row of an image that has been handled."""
        beside = tuple(place.identity for place in item.extra_outputs)
        return cls(record, item.fingerprint, item.output.identity, beside)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Row:
        """Read a line of the journal.

        Raises:
            KeyError, TypeError: when it is damaged.
        """
        record, beside = Record(**row["record"]), row.get("extra_outputs")
        made = cls(record, row["fingerprint"], row.get("place"), beside and tuple(beside))
        texts = (record.input, record.status, made.fingerprint, *(made.beside or ()))
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("a text is expected")
        if not all(isinstance(text, str | None) for text in (record.output, made.place)):
            raise TypeError("the name of a file is expected")
        return made

    def to_json(self) -> dict[str, Any]:
        """The line of the journal, for `from_json`."""
        return {
            "record": asdict(self.record),
            "fingerprint": self.fingerprint,
            "place": self.place,
            "extra_outputs": self.beside,
        }

    def is_at(self, place: ResultPlace) -> bool:
        """Whether this is the image that belongs at a place."""
        return self.record.output == place.location or self.place == place.identity


@dataclass(frozen=True)
class EarlierRun:
    """What the journal of an earlier run says; by default there was none.

    Attributes:
        options: all that its results depend on, under the names that options have now.
        rows: one per image that it handled; what it handled again stands in it again.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    rows: Sequence[Row] = ()

    @cached_property
    def saved(self) -> dict[str, Row]:
        """By key, the last row of each image, where that was saved."""
        last = {row.record.key: row for row in self.rows}
        return {key: row for key, row in last.items() if row.record.status != "failed"}

    @property
    def outputs(self) -> frozenset[str]:
        """Locations of all images that it has written, as it named them."""
        return frozenset(row.record.output for row in self.rows if row.record.output)

    def unchanged(self, items: Sequence[Item]) -> dict[str, Record]:
        """By key, the records of images that are still there and need not be made again."""
        return {
            item.key: replace(row.record, output=item.output.location)
            for item in items
            if (row := self.saved.get(item.key))
            and row.fingerprint == item.fingerprint
            and row.is_at(item.output)
            and _can_be_read(item.output)
        }

    def unclaimed(self, items: Sequence[Item]) -> list[str]:
        """Locations of images on record that are at no item's place, and so in no new report."""
        ours = {text for item in items for text in (item.output.location, item.output.identity)}
        return [
            row.record.output
            for row in self.saved.values()
            if row.record.output and not {row.record.output, row.place} & ours
        ]


def todays_names(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of a journal under the names that they have now."""
    if "step" not in options:  # since the renaming, `views` is another option
        return options
    return {RENAMED.get(name, name): value for name, value in options.items()}


def _can_be_read(place: ResultPlace) -> bool:
    try:
        place.open().close()
    except OSError:
        return False
    return True
