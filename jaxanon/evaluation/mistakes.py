"""Class-aware transferability: do classifiers make the same mistakes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple, TypedDict

import numpy as np


@dataclass(frozen=True)
class Split:
    """Shares of images by what a classifier decides on them; their sum is one.

    Attributes:
        unfooled: share with the classifier's reference decision.
        different: share with a mistake other than the source's.
        same: share with the source's mistake.
    """

    unfooled: float
    different: float
    same: float

    @property
    def non_targeted(self) -> float:
        """Share of images whose attack transfers, if every mistake counts."""
        return 1 - self.unfooled

    @property
    def targeted(self) -> float:
        """Share of images whose attack transfers, if only the source's mistake counts."""
        return self.same


class SplitReport(TypedDict):
    """Three definitions of transfer side by side, in shares of images.

    Attributes:
        non_targeted: see `Split.non_targeted`.
        targeted: see `Split.targeted`.
        class_aware: the fields of `Split`.
    """

    non_targeted: float
    targeted: float
    class_aware: dict[str, float]


class MistakesReport(TypedDict):
    """A `MistakesRow` as reports have it, by all three definitions of transfer."""

    name: str
    split: SplitReport
    baseline: SplitReport


@dataclass(frozen=True)
class MistakesRow:
    """What one classifier decides on the images that fool the source.

    Attributes:
        name: name of the classifier.
        split: its decisions on the adapted (or attacked) images.
        baseline: its decisions on the images before adaptation; after an attack on originals all
            are unfooled.
    """

    name: str
    split: Split
    baseline: Split

    def as_json(self) -> MistakesReport:
        """The row for a report."""
        return {
            "name": self.name,
            "split": _split_report(self.split),
            "baseline": _split_report(self.baseline),
        }


def _split_report(split: Split) -> SplitReport:
    return {
        "non_targeted": split.non_targeted,
        "targeted": split.targeted,
        "class_aware": asdict(split),
    }


class Mistakes(NamedTuple):
    """Class-aware transferability.

    Attributes:
        images: number of images that fool the source.
        rows: one per classifier with as many classes as the source; none without such images.
    """

    images: int
    rows: list[MistakesRow]


def mistakes(
    names: Sequence[str],
    reference: np.ndarray,
    adapted: np.ndarray,
    anonymized: np.ndarray | None,
    source: int,
    classes: Sequence[int],
) -> Mistakes:
    """Split decisions as Waseda et al. do, over the images that fool the source.

    Source: "Closer Look at the Transferability of Adversarial Examples: How They Fool Different
    Models Differently", WACV 2023. What fools the source are the anonymized images, where they are
    given (the anonymizer is the attack, and adaptation is to undo it), else the adapted ones (an
    attack). A decision is right where it is the classifier's own reference decision.

    Args:
        names: names of the C classifiers.
        reference: `(C, images)` int, decisions on the originals.
        adapted: `(C, images)` int, decisions on the adapted, or attacked, images.
        anonymized: `(C, images)` int, decisions on the anonymized images, if there are any.
        source: index of the classifier whose mistakes are compared with.
        classes: number of classes of each classifier; one with another number than the source is
            left out, for its classes have other meanings.
    """
    fooling = adapted if anonymized is None else anonymized
    before = reference if anonymized is None else anonymized
    fooled = fooling[source] != reference[source]
    count = int(fooled.sum())
    mistake = fooling[source][fooled]

    def split(decisions: np.ndarray, c: int) -> Split:
        decided, right = decisions[c][fooled], reference[c][fooled]
        same = (decided != right) & (decided == mistake)
        different = (decided != right) & (decided != mistake)
        return Split(*(float(part.mean()) for part in (decided == right, different, same)))

    if not count:
        return Mistakes(0, [])
    rows = [
        MistakesRow(name, split(adapted, c), split(before, c))
        for c, name in enumerate(names)
        if classes[c] == classes[source]
    ]
    return Mistakes(count, rows)
