"""The records of a run, kept among its results as it goes on, so that it can be resumed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jaxanon.errors import UsageError
from jaxanon.io.results import LineLog
from jaxanon.pipeline.earlier import EarlierRun, Row, todays_names
from jaxanon.pipeline.item import Item
from jaxanon.pipeline.record import Record

JOURNAL = ".jaxanon-journal.jsonl"
"""Its name among the results of a run."""
DAMAGE = (OSError, UnicodeError, TypeError, KeyError, AttributeError)
"""What reading a damaged journal raises."""


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
        self._earlier = EarlierRun()

    def resume(self) -> EarlierRun:
        """What an earlier run did; nothing where there was none.

        An unfinished last line is left out.

        Raises:
            UsageError: when the journal belongs to a run with other options, or is damaged.
        """
        if not self.log.exists():
            return EarlierRun()
        try:
            earlier = self._read()
        except DAMAGE as error:
            raise UsageError(
                f"{self.log.location}: unreadable ({error!r}); give --overwrite to begin anew"
            ) from error
        if earlier is None:
            return EarlierRun()
        self._refuse_other_options(earlier.options)
        self._earlier = earlier
        return earlier

    def written(self) -> EarlierRun:
        """What the run on record has written, whatever its options were.

        Nothing where the journal is missing or damaged.
        """
        try:
            return self._read() or EarlierRun()
        except DAMAGE:
            return EarlierRun()

    def _read(self) -> EarlierRun | None:
        """What the file says; None where it says nothing. A line that is no JSON is left out."""
        rows = [row for row in map(_parse, self.log.read()) if row is not None]
        if not rows:
            return None
        options = rows[0]["settings"]
        if not isinstance(options, dict):
            raise TypeError("the settings are no mapping")
        return EarlierRun(todays_names(options), [Row.from_json(row) for row in rows[1:]])

    def _refuse_other_options(self, before: Mapping[str, Any]) -> None:
        # What an earlier version had no name for is as it is when nobody asks for it.
        names = sorted(
            name
            for name in {*before, *self.options}
            if (before.get(name) or None) != (self.options.get(name) or None)
        )
        if names:
            raise UsageError(
                f"{self.log.location}: cannot resume, the settings differ: {', '.join(names)}; "
                "use the same ones, or --overwrite to begin anew"
            )

    def start(self) -> None:
        """Begin the file; what `resume` found stays in it."""
        rows = [{"settings": self.options}, *(row.to_json() for row in self._earlier.rows)]
        self.log.begin(json.dumps(row) for row in rows)

    def add(self, item: Item, record: Record) -> None:
        """Append the record of an image."""
        self.log.append(json.dumps(Row.of(item, record).to_json()))


def _parse(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
