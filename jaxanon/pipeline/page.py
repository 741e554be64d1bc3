"""The page of a run, `report.html`, computed from its report and records one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from jaxanon.classifiers.decided import DecisionRow, Decisions, Stage, compared
from jaxanon.display.page import render
from jaxanon.display.page.contents import (
    Agreement,
    BarChart,
    ClassifierRow,
    Contents,
    Decision,
    Picture,
)
from jaxanon.errors import printable
from jaxanon.metrics import Interval
from jaxanon.pipeline.hiding import is_untouched
from jaxanon.pipeline.page_words import facts, sentences
from jaxanon.pipeline.record import key
from jaxanon.pipeline.tally import Tally
from jaxanon.pipeline.thumbnails import ORIGINAL, Thumbnails

PAGE = "report.html"
"""Its name beside the report."""
FAILURES = 500
"""Failures that are listed at most."""
BARS = 12
"""Bars of a histogram at most."""
TITLES = {"keep": "Adapted images", "avoid": "Attacked images", "reach": "Attacked images"}
"""Goal of the loop -> title of the page."""
Row = Mapping[str, Any]
"""A record as the report has it."""


def page_beside(report: Path) -> Path:
    """The file of the page that belongs to a report, which may itself be called a page."""
    return report.with_name(f"{report.name if report.suffix == '.html' else report.stem}.html")


def contents_of(run: Row, rows: Iterable[Row], thumbnails: Mapping[str, Thumbnails]) -> Contents:
    """What the page of a run shows.

    Args:
        run: the report without its images.
        rows: its images; taken one by one.
        thumbnails: by key, of the images that the gallery shows.
    """
    counting = Counting(run, thumbnails)
    for row in rows:
        counting.add(row)
    return counting.contents()


def shows_originals(html: str) -> bool:
    """Whether a page says that it shows originals."""
    return '<p class="alarm"' in html


def page(contents: Contents) -> bytes:
    """The HTML of a page, in UTF-8."""
    return render(contents).encode(errors="replace")


class Counting:
    """Counts what a page shows, in memory that does not grow with the number of images.

    Args:
        run: the report without its images.
        thumbnails: by key, of the images that the gallery shows.
    """

    def __init__(self, run: Row, thumbnails: Mapping[str, Thumbnails]) -> None:
        self._run, self._thumbnails = run, thumbnails
        self._roles = {each["name"]: each["role"] for each in run["classifiers"]}
        self._classes: Row = run.get("classes", {})
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._tally = Tally(self._roles)
        self._values: dict[str, Counter[float]] = {name: Counter() for name in HISTOGRAMS}
        self._failures: list[tuple[str, str]] = []
        self._pictures: list[Picture] = []
        self._untouched = 0

    def add(self, row: Row) -> None:
        """Count an image."""
        self._tally.count(row["status"], row["decisions"])
        if row["status"] == "failed":
            if len(self._failures) < FAILURES:
                name, reason = row["input"], row["error"] or ""
                reason = reason.removeprefix(f"{name}: ")
                self._failures.append((printable(name), printable(reason)))
            return
        changed = row.get("changed")  # reports of earlier versions do not say
        self._untouched += changed is not None and is_untouched(changed)
        self._compare(row["decisions"])
        self._compare_with_sources(row["decisions"])
        for name, (_, digits) in HISTOGRAMS.items():
            if row[name] is not None:
                self._values[name][round(row[name], digits)] += 1
        if small := self._thumbnails.get(key(row["input"], row["view"])):
            self._pictures.append(self._picture(row, small))

    def _compare(self, decisions: Decisions) -> None:
        for first, second in combinations(decisions, 2):
            if self._classes.get(first) != self._classes.get(second):
                continue  # their numbers mean different classes
            one, other = decisions[first], decisions[second]
            self._counts.update(
                {
                    ("both", first, second): 1,
                    ("originals", first, second): _alike(one, other, "reference"),
                    ("saved", first, second): _alike(one, other, "adapted"),
                }
            )

    def _compare_with_sources(self, decisions: Decisions) -> None:
        """Count for each target whether some source or oracle decides on the original as it."""
        for name, mine in decisions.items():
            alike = [
                compared(other, "reference")
                for source, other in decisions.items()
                if self._roles[source] != "target"
                and self._classes.get(source) == self._classes.get(name)
            ]
            if self._roles[name] != "target" or not alike:
                continue
            disagrees = compared(mine, "reference") not in alike
            kept = compared(mine, "adapted") == compared(mine, "reference")
            self._counts.update(
                {
                    ("compared", name): 1,
                    ("reachable", name): not disagrees,
                    ("disagreeing", name): disagrees,
                    ("beyond", name): disagrees and kept,
                }
            )

    def _picture(self, row: Row, small: Thumbnails) -> Picture:
        return Picture(
            name=printable(row["input"]),
            status=row["status"],
            change=row["linf"],
            steps=row["steps"],
            psnr=row["psnr"],
            note=row["error"] and printable(row["error"]),
            shown={
                title: f"data:image/jpeg;base64,{data}" for title, data in small.pictures.items()
            },
            decisions=[
                Decision(
                    name,
                    self._roles[name],
                    words["reference"],
                    words["anonymized"],
                    words["adapted"],
                )
                for name, words in small.words.items()
            ],
        )

    def _row(self, name: str, role: str) -> ClassifierRow:
        counts = self._tally.counts(name)
        images, lost = counts["images"], counts["lost"]
        return ClassifierRow(
            name,
            role,
            str(self._run.get("weights", {}).get(name, "")),
            anonymized=_share(images - lost, images),
            adapted=_share(counts["kept"], images),
            repair=_share(counts["repaired"], lost),
            ceiling=_share(self._counts["reachable", name], self._counts["compared", name]),
            beyond=_share(self._counts["beyond", name], self._counts["disagreeing", name]),
            disagreeing=self._counts["disagreeing", name],
        )

    def _agreement(self, first: str, second: str) -> Agreement:
        pair = first, second
        both = self._counts["both", *pair]
        originals, saved = (_share(self._counts[on, *pair], both) for on in ("originals", "saved"))
        return Agreement(*pair, originals, saved)

    def contents(self) -> Contents:
        """What was counted."""
        run = self._run
        statuses, images = self._tally.statuses, self._tally.images
        return Contents(
            title=TITLES[run["settings"].get("goal", "keep")],
            sentences=sentences(run, statuses, self._untouched),
            facts=facts(run),
            statuses=dict(sorted(statuses.items())),
            rows=[self._row(*each) for each in self._roles.items()],
            agreements=[
                self._agreement(*pair)
                for pair in combinations(self._roles, 2)
                if self._counts["both", *pair]
            ],
            charts=[
                *_throughput(run),
                *(
                    _histogram(title, values)
                    for (name, (title, _)), values in zip(
                        HISTOGRAMS.items(), self._values.values(), strict=True
                    )
                    if len(values) > 1 or (values and name != "private")
                ),
            ],
            stages=_stages(run),
            untouched=self._untouched,
            failures=self._failures,
            failed=statuses["failed"],
            pictures=self._pictures,
            images=images,
            with_originals=any(ORIGINAL in each.shown for each in self._pictures),
        )


HISTOGRAMS: Mapping[str, tuple[str, int]] = {
    "steps": ("Gradient steps", 0),
    "linf": ("Largest change, in levels of 255", 0),
    "psnr": ("PSNR to the anonymized image, in dB", 0),
    "private": ("Share made private", 2),
}
"""Field of a record -> title, and decimals to which it is counted."""


def _alike(one: DecisionRow, other: DecisionRow, stage: Stage) -> bool:
    """Whether two classifiers decide alike."""
    return compared(one, stage) == compared(other, stage)


def _share(number: int, of: int) -> Interval | None:
    return Interval.of_share(number / of, of) if of else None


def _histogram(title: str, values: Mapping[float, int]) -> BarChart:
    """A histogram of at most `BARS` bars of equal width."""
    low, high = min(values), max(values)
    whole = all(float(value).is_integer() for value in values)
    unit = 1.0 if whole else 0.05
    width = max(unit, -(-((high - low) + unit) // (BARS * unit)) * unit)
    counts: Counter[int] = Counter()
    for value, count in values.items():
        counts[int((value - low) / width + 1e-9)] += count
    digits = 0 if whole else 2
    bars = []
    for number in range(max(counts) + 1):
        start, stop = low + number * width, low + (number + 1) * width - unit
        text = f"{start:.{digits}f}"
        several = whole and stop > start
        bars.append((f"{text}-{stop:.0f}" if several else text, counts[number]))
    return BarChart(title, bars)


def _throughput(run: Row) -> list[BarChart]:
    """How fast the parts of a run were, where that is known."""
    parts = run.get("timing", {}).get("throughput")
    by = "of a worker, by shard" if "shards" in run["summary"] else "over the run"
    return [BarChart(f"Images per second {by}", list(parts.items()))] if parts else []


def _stages(run: Row) -> dict[str, float]:
    """Stage of the work -> seconds, longest first."""
    timing = run.get("timing", {})
    stages = {
        f"{name}, before the first image" if name == "compile" else name: seconds
        for name, seconds in timing.get("host_seconds", {}).items()
    }
    if timing.get("device_busy"):
        stages["the device: gradient steps, decisions"] = (
            timing["device_busy"] * run["summary"]["seconds"]
        )
    return dict(sorted(stages.items(), key=lambda item: -item[1]))
