"""What stands on the page of a run, as plain values: what counts them knows no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxanon.metrics import Interval


@dataclass(frozen=True)
class ClassifierRow:
    """What one classifier makes of the images.

    Attributes:
        name: its name.
        role: `source` or `target`.
        weights: where its weights come from.
        anonymized: concordance on the anonymized images.
        adapted: concordance on the saved files.
        repair: repair rate. Each of these is None where there is no image to count.
        ceiling: of a target, share of the originals on which some source decides as it does, which
            is what these sources can bring it.
        beyond: its concordance on the saved files of the others.
        disagreeing: how many these are.
    """

    name: str
    role: str
    weights: str
    anonymized: Interval | None
    adapted: Interval | None
    repair: Interval | None
    ceiling: Interval | None = None
    beyond: Interval | None = None
    disagreeing: int = 0


@dataclass(frozen=True)
class Agreement:
    """How often two classifiers of the same number of classes make the same decision.

    Attributes:
        first: name of one.
        second: name of the other.
        originals: on the originals.
        adapted: on the saved files.
    """

    first: str
    second: str
    originals: Interval | None
    adapted: Interval | None


@dataclass(frozen=True)
class BarChart:
    """A number for each of some ranges: a histogram, or the throughput of parts of a run.

    Attributes:
        title: what the bars tell, with its unit.
        bars: (range as it is written, number of images, or images per second), in their order.
    """

    title: str
    bars: Sequence[tuple[str, float]]

    @property
    def highest(self) -> float:
        """Number of the highest bar; 1 where all are 0."""
        return max((number for _, number in self.bars), default=0) or 1


@dataclass(frozen=True)
class Decision:
    """A classifier's decisions on an image, in words.

    Attributes:
        classifier: its name.
        role: `source` or `target`.
        original: on the original.
        anonymized: on the anonymized image.
        adapted: on the saved file.
    """

    classifier: str
    role: str
    original: str
    anonymized: str
    adapted: str


@dataclass(frozen=True)
class Picture:
    """An image of the gallery.

    Attributes:
        name: of the original.
        status: `kept`, `partly`, ... as in the report.
        change: largest difference of the saved file to the anonymized image, in levels.
        steps: gradient steps made.
        psnr: of the saved file against the anonymized image, in dB; None where they are equal.
        note: what the report says beside the status, if anything.
        shown: title -> a picture as a data URL, in their order.
        decisions: of all classifiers.
    """

    name: str
    status: str
    change: int
    steps: int
    psnr: float | None
    note: str | None
    shown: Mapping[str, str]
    decisions: Sequence[Decision]

    @property
    def changed(self) -> bool:
        """Whether some classifier decides otherwise on the saved file than on the original."""
        return any(each.adapted != each.original for each in self.decisions)

    @property
    def words(self) -> str:
        """All that a search may look for."""
        names = {each for row in self.decisions for each in (row.original, row.adapted)}
        return " ".join([self.name, *sorted(names)]).lower()


@dataclass(frozen=True)
class Contents:
    """All that the page of a run shows.

    Attributes:
        title: of the page.
        sentences: what was done.
        facts: name -> value, such as device and version.
        statuses: status -> number of images.
        rows: one per classifier, sources first.
        agreements: of pairs of classifiers.
        charts: throughput over the run; histograms of steps, changes and shares made private.
        stages: stage of the work -> seconds, longest first.
        failures: name and reason of failed images, as many as are listed.
        failed: number of failed images.
        pictures: the gallery.
        images: number of images of the run.
        with_originals: whether originals are among the pictures.
        untouched: number of saved images in which nothing was hidden.
    """

    title: str
    sentences: Sequence[str]
    facts: Mapping[str, str]
    statuses: Mapping[str, int]
    rows: Sequence[ClassifierRow]
    agreements: Sequence[Agreement]
    charts: Sequence[BarChart]
    stages: Mapping[str, float]
    failures: Sequence[tuple[str, str]]
    failed: int
    pictures: Sequence[Picture]
    images: int
    with_originals: bool
    untouched: int
