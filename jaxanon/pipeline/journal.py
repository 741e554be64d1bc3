"""The records of a run, kept among its results as it goes on, so that it can be resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from jaxanon.errors import UsageError
from jaxanon.io.results import LineLog
from jaxanon.pipeline.item import Item
from jaxanon.pipeline.record import Record

JOURNAL = ".jaxanon-journal.jsonl"
"""Its name among the results of a run."""


@dataclass(frozen=True)
class EarlierRun:
    """What the journal of an earlier run says, under the same options.

    Attributes:
        records: records of the images that it saved, by key.
        fingerprints: fingerprints of what each of these was made from, by key.
        outputs: locations of all images that it has written.
    """

    records: Mapping[str, Record] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    outputs: frozenset[str] = frozenset()

    def unchanged(self, items: Sequence[Item]) -> dict[str, Record]:
        """By key, the records of images that are still there and need not be made again."""
        return {
            item.key: self.records[item.key]
            for item in items
            if item.key in self.records
            and self.fingerprints[item.key] == item.fingerprint
            and item.output.exists()
        }


class Journal:
    """One JSON line for the options of a run, then one for each image.

    A run resumes only under the same options. Each record stands with the fingerprint of what the
    image was made from, so that what has changed is done again.

    Args:
        log: where the lines are kept.
        options: all that the results depend on, as plain JSON values.
    """

    def __init__(self, log: LineLog, options: Mapping[str, Any]) -> None:
        self.log = log
        self.options: dict[str, Any] = json.loads(json.dumps(options))
        self._rows: list[dict[str, Any]] = []

    def resume(self) -> EarlierRun:
        """What an earlier run did; nothing where there was none.

        An unfinished last line is left out.

        Raises:
            UsageError: when the journal belongs to a run with other options, or is damaged.
        """
        if not self.log.exists():
            return EarlierRun()
        try:
            return self._read()
        except (OSError, UnicodeError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{self.log.location}: unreadable ({error!r}); give --overwrite to begin anew"
            ) from error

    def _read(self) -> EarlierRun:
        rows = self._lines()
        if not rows:
            return EarlierRun()
        self._refuse_other_options(rows[0].get("settings"))
        self._rows = rows[1:]
        latest = {Record(**row["record"]).key: row for row in self._rows}
        saved = {name: row for name, row in latest.items() if row["record"]["status"] != "failed"}
        return EarlierRun(
            {name: Record(**row["record"]) for name, row in saved.items()},
            {name: row["fingerprint"] for name, row in saved.items()},
            frozenset(row["record"]["output"] for row in self._rows if row["record"]["output"]),
        )

    def _refuse_other_options(self, before: Mapping[str, Any] | None) -> None:
        names = sorted(
            name
            for name in {*(before or {}), *self.options}
            if (before or {}).get(name) != self.options.get(name)
        )
        if before is None or names:
            raise UsageError(
                f"{self.log.location}: cannot resume, the settings differ: {', '.join(names)}; "
                "use the same ones, or --overwrite to begin anew"
            )

    def written(self) -> tuple[frozenset[str], frozenset[str]]:
        """What the run on record has written, whatever its options were.

        Returns:
            Locations of the adapted images, and identities of what was saved beside them, such as
            low-resolution views; nothing where the journal is missing or damaged.
        """
        try:
            rows = self._lines()[1:]
            outputs = [row["record"]["output"] for row in rows]
            extra = [row.get("extra_outputs", []) for row in rows]
        except (OSError, UnicodeError, TypeError, KeyError):
            return frozenset(), frozenset()
        if not all(isinstance(places, list) for places in extra):
            return frozenset(), frozenset()
        beside = [place for places in extra for place in places]
        if not all(isinstance(place, str | None) for place in (*outputs, *beside)):
            return frozenset(), frozenset()
        return frozenset(filter(None, outputs)), frozenset(filter(None, beside))

    def _lines(self) -> list[dict[str, Any]]:
        """The options, then a row per image; a line cut off or damaged is left out."""
        return [row for row in map(_parse, self.log.read()) if row is not None]

    def start(self) -> None:
        """Begin the file; what `resume` found stays in it."""
        rows = [{"settings": self.options}, *self._rows]
        self.log.begin(json.dumps(row) for row in rows)

    def add(self, item: Item, record: Record) -> None:
        """Append the record of an image."""
        row = {
            "record": asdict(record),
            "fingerprint": item.fingerprint,
            "extra_outputs": [place.identity for place in item.extra_outputs],
        }
        self.log.append(json.dumps(row))


def _parse(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
