"""What a run's records come to, counted one record after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from jaxanon.classifiers.decided import Decisions, compared
from jaxanon.pipeline.record import Record


class Tally:
    """Counts over records, in memory that does not grow with their number.

    Args:
        names: the classifiers.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.statuses: Counter[str] = Counter()
        self._counts: Mapping[str, Counter[str]] = {name: Counter() for name in names}

    def add(self, record: Record) -> None:
        """Count a record."""
        self.count(record.status, record.decisions)

    def count(self, status: str, decisions: Decisions) -> None:
        """Count an image by what its record says."""
        self.statuses[status] += 1
        for name, counts in self._counts.items():
            if (row := decisions.get(name)) is None:
                continue
            lost = compared(row, "anonymized") != compared(row, "reference")
            kept = compared(row, "adapted") == compared(row, "reference")
            counts.update(images=1, lost=lost, kept=kept, repaired=lost and kept)

    @property
    def images(self) -> int:
        """Number of records."""
        return self.statuses.total()

    def counts(self, name: str) -> Counter[str]:
        """Numbers of saved images of a classifier.

        `images`: all; `lost`: whose decision the anonymizer had changed; `kept`: whose saved file
        keeps it; `repaired`: both.
        """
        return self._counts[name]

    def shares(self, name: str) -> dict[str, float | None]:
        """A classifier's concordance before and after, and repair rate, over the saved images.

        The last is the concordance among those whose decision the anonymizer had changed. Each is
        None without such images.
        """
        counts = self._counts[name]
        images, lost = counts["images"], counts["lost"]
        return {
            "anonymized": (images - lost) / images if images else None,
            "adapted": counts["kept"] / images if images else None,
            "repair": counts["repaired"] / lost if lost else None,
        }

    def summary(self, seconds: float, processed: int) -> dict[str, Any]:
        """The `summary` of the report.

        Args:
            seconds: from the first image to the last, loading of classifiers left out.
            processed: images handled in that time (a resumed run handles fewer than it reports).
        """
        failed = self.statuses["failed"]
        return {
            "images": self.images,
            "done": self.images - failed,
            "failed": failed,
            "seconds": round(seconds, 3),
            "images_per_second": round(processed / seconds, 4) if seconds > 0 else 0.0,
            "concordance": {name: self.shares(name) for name in self._counts},
        }
