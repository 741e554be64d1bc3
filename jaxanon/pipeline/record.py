"""What happened to one image, as the journal keeps it and the report shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jaxanon.adaptation.settings import Success
from jaxanon.classifiers.decided import Decisions

RecordStatus = Success | Literal["partly", "failed"]
Score = dict[Literal["anonymized", "adapted"], float]


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
