"""What happened to one image, as the journal keeps it and the report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from jaxanon.adaptation.settings import Success

if TYPE_CHECKING:
    import numpy as np

    from jaxanon.classifiers.config import Classes
    from jaxanon.classifiers.keeping import Keep

RecordStatus = Success | Literal["partly", "failed"]
Score = dict[Literal["anonymized", "adapted"], float]
Stage = Literal["reference", "anonymized", "adapted"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""Which images a classifier decides on."""
DecisionRow = Mapping[str, Any]
"""{"reference": class, "anonymized": class, "adapted": class}. Where more than the class of the
largest logit is to be kept, "classes" stands beside these: stage -> numbers of the classes that are
compared, see `jaxanon.classifiers.keeping.Keep.listed`."""
Decisions = dict[str, DecisionRow]
"""Classifier -> its decisions."""


def noted(
    row: DecisionRow, stage: Stage, logits: np.ndarray, keep: Keep, classes: Classes
) -> DecisionRow:
    """What a classifier decides, with its decision on one more image.

    Args:
        row: what is known of it.
        stage: which image.
        logits: the classifier's on that, `(classes,)`.
        keep: what is to be kept.
        classes: what is known of the classifier's classes.
    """
    result = {**row, stage: int(logits.argmax())}
    several = result.pop("classes", {})
    if keep.several:
        result["classes"] = {**several, stage: keep.listed(keep.decide(logits, classes))}
    return result


def compared(row: DecisionRow, stage: Stage) -> int | list[int]:
    """What is compared of a classifier's decision: equal to the reference's where it is kept."""
    found: int | list[int] = row.get("classes", row)[stage]
    return found


@dataclass(frozen=True)
class Record:
    """What happened to one image; the fields of `images` in the report.

    Attributes:
        input: name of the original.
        output: location of the saved file, None where none was written.
        status: `kept` where every source, and every oracle, keeps its reference decision in the
            saved file; after an
            attack `fooled` where none does, or `reached` where every source sees the class asked
            for; `partly` where it was saved but falls short, `failed` where it was not saved.
        steps: gradient steps made.
        linf: largest difference of the saved file to the anonymized image, in levels (1/255).
        psnr: peak signal-to-noise ratio of the saved file against the anonymized image, in dB; None
            where they are equal.
        decisions: decisions of all classifiers; those on the adapted image are read off the saved
            file.
        error: the reason of a failure, or why an image was stopped.
        view: which of several images made from the same original this is, from 1; None for the
            only one.
        regions: number of private boxes in it; None where no boxes were looked for.
        score: the judge's scores of the anonymized and of the saved image, where there is a cap.
        partner: name of the anonymized image, where another tool made it.
        private: share of the pixels that are private, 0 to 1; None where nothing is to be hidden.
        changed: share of the pixels that anonymizing changed, 0 to 1; None likewise.
        queries: number of its files that the oracles were asked about, the last one included; None
            without oracles. Where it is 1 and they agreed, no further one was needed.
        sha256: digest of the saved file, by which it is known again before it is published.
    """

    input: str
    output: str | None
    status: RecordStatus
    steps: int = 0
    linf: int = 0
    psnr: float | None = None
    decisions: Decisions = field(default_factory=dict)
    error: str | None = None
    view: int | None = None
    regions: int | None = None
    score: Score | None = None
    partner: str | None = None
    private: float | None = None
    changed: float | None = None
    sha256: str | None = None
    queries: int | None = None

    @property
    def key(self) -> str:
        """Names the image among those of its run."""
        return key(self.input, self.view)


def key(name: str, view: int | None) -> str:
    """The name of an image among those of a run: its original's, and which view of it."""
    return name if view is None else f"{name}#{view}"
