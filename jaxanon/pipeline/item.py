"""The images of a run: where each comes from, where it goes, and what is known of it on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxanon.classifiers.decided import Decisions
from jaxanon.errors import ImageError
from jaxanon.io.inputs import InputImage
from jaxanon.io.results import ResultPlace
from jaxanon.pipeline.cap import Reference
from jaxanon.pipeline.hiding import Hiding
from jaxanon.pipeline.oracles import Best
from jaxanon.pipeline.record import Record, key
from jaxanon.pipeline.thumbnails import Thumbnails
from jaxanon.regions.region import Box


@dataclass(frozen=True)
class LoadedImage:
    """An image read and anonymized.

    Attributes:
        original: the private image, `(H, W, 3)` uint8.
        anonymized: the image that hides it, `(H, W, 3)` uint8, of the same size.
        mask: `(H, W)` bool, where pixels may change; None is everywhere.
        boxes: the private ones; None where the image is private as a whole, or by a mask.
        low: the low-resolution view that `anonymized` shows, `(h, w, 3)` uint8, if it shows one.
        hiding: what was private, and by which saved files are told to hide it; None where nothing
            is to be hidden, as before an attack.
    """

    original: np.ndarray
    anonymized: np.ndarray
    mask: np.ndarray | None
    boxes: tuple[Box, ...] | None = None
    low: np.ndarray | None = None
    hiding: Hiding | None = None


@dataclass(frozen=True)
class Item:
    """One image of a run.

    Attributes:
        input: the original.
        output: the place of the adapted image.
        load: reads and anonymizes the original; raises ImageError.
        anonymized_output: where to save the anonymized image, if wanted.
        low_output: where to save the low-resolution view, if wanted.
        view: which of several images made from the same original this is, from 1; None for the
            only one.
        partner: the anonymized image, where another tool made it.
        shown: whether thumbnails are made of it.
    """

    input: InputImage
    output: ResultPlace
    load: Callable[[], LoadedImage]
    anonymized_output: ResultPlace | None = None
    low_output: ResultPlace | None = None
    view: int | None = None
    partner: InputImage | None = None
    shown: bool = False

    @property
    def key(self) -> str:
        """Names the image among those of its run."""
        return key(self.input.name, self.view)

    @property
    def fingerprint(self) -> str:
        """A text that changes with the files that the image is made from."""
        return "".join(image.fingerprint() for image in (self.input, self.partner) if image)

    @property
    def extra_outputs(self) -> list[ResultPlace]:
        """The places of what is saved besides the adapted image."""
        return [place for place in (self.anonymized_output, self.low_output) if place]


@dataclass(frozen=True)
class Baseline:
    """What is known of an image before it is adapted.

    Attributes:
        decisions: every classifier's decision on the original and on the anonymized image.
        regions: number of private boxes in it; None where no boxes were looked for.
        reference: what the judge of the cap keeps of the original, where there is a cap.
        score: the judge's score of the anonymized image, where there is one.
        hiding: what was private, and by which saved files are told to hide it, if anything is.
    """

    decisions: Decisions
    regions: int | None = None
    reference: Reference | None = None
    score: float | None = None
    hiding: Hiding | None = None


@dataclass(frozen=True)
class Failure:
    """An image that could not be read, processed or written.

    Attributes:
        item: the image.
        reason: for people; names the file.
    """

    item: Item
    reason: str

    @classmethod
    def from_error(cls, item: Item, error: ImageError | MemoryError) -> Failure:
        """The failure of an image by an error that was raised for it."""
        text = str(error) if isinstance(error, ImageError) else f"{item.input.name}: out of memory"
        return cls(item, text)

    def record(self) -> Record:
        """What the journal and the report say of it."""
        item = self.item
        return Record(
            input=item.input.name,
            output=None,
            status="failed",
            error=self.reason,
            view=item.view,
            partner=item.partner.name if item.partner else None,
        )


@dataclass(eq=False)
class ImageState:
    """An image between its stages: each stage adds what it finds out.

    Attributes:
        item: the image.
        baseline: what was known before the adaptation.
        saved: the record of the file that lies beside its place now; None before the first
            verification, and where that could not be written.
        allowed: record and bytes of the best file so far that the cap allowed.
        best: the file that pleased sources and oracles best, while these do not agree.
        failure: why nothing can be saved.
        thumbnails: small pictures of the saved image, if they are wanted.
    """

    item: Item
    baseline: Baseline
    saved: Record | None = None
    allowed: tuple[Record, bytes] | None = None
    best: Best | None = None
    failure: Failure | None = None
    thumbnails: Thumbnails | None = None
