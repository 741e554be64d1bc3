"""Verify, then say: what the loop made is saved, read back, and put before every classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.stream import Adapted
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.errors import ImageError
from jaxanon.io.files import write_part
from jaxanon.io.images import decode, encode
from jaxanon.metrics import difference
from jaxanon.pipeline.cap import Cap, Memory
from jaxanon.pipeline.item import Item
from jaxanon.pipeline.manifest import Decisions, Record, Score


@dataclass
class Known:
    """What is known of an image before it is adapted.

    Attributes:
        decisions: of every classifier on the original and on the anonymized image.
        regions: private ones found in it.
        memory: what the judge of the cap keeps of the original.
        score: the judge's, of the anonymized image.
    """

    decisions: Decisions
    regions: int | None = None
    memory: Memory | None = None
    score: float | None = None


@dataclass(frozen=True)
class _Saved:
    """A file beside its place: its picture, and what each classifier sees of it."""

    pixels: np.ndarray
    views: Views


class Verification:
    """Knows, of every image under way, what it is to become and what it has become.

    Args:
        everyone: all classifiers, the sources first.
        sources: how many these are.
        settings: options of the loop.
        form: `png`, `jpeg` or `webp`.
        cap: on the judge's score, if there is one.
        fail: told of an image that cannot be written.
    """

    def __init__(
        self,
        everyone: Ensemble,
        sources: int,
        settings: Settings,
        form: str,
        cap: Cap | None,
        fail: Callable[[Item, Exception], None],
    ) -> None:
        self.everyone, self.sources, self.settings = everyone, sources, settings
        self.form, self.cap, self.fail = form, cap, fail
        self.known: dict[str, Known] = {}
        self._verified: dict[str, Record] = {}
        self._accepted: dict[str, tuple[Record, bytes]] = {}

    def take(self, item: Item) -> Record | None:
        """The record of an image that left the loop; None where it could not be written.

        Where one verification had it kept and later steps lost it, it is the former that counts.
        """
        record = self._verified.pop(item.key, None)
        best = self._accepted.get(item.key)
        lost = record and best and record.status != best[0].status == self.settings.success
        return self._restore(item, *best) if lost and best else record

    def forget(self, key: str) -> None:
        """Nothing more of this image is needed."""
        for kept in (self.known, self._verified, self._accepted):
            kept.pop(key, None)

    def check(self, threads: ThreadPoolExecutor, adapted: Sequence[Adapted]) -> list[bool]:
        """Which images need no further attempt; all are saved beside their final places."""
        blobs = list(threads.map(self._encode, adapted))
        saved = list(threads.map(self._save, adapted, blobs))
        read = [(i, one) for i, one in enumerate(saved) if one]
        logits = self.everyone.logits_from_views([one.views for _, one in read])
        settled = [True] * len(adapted)
        for place, (i, one) in enumerate(read):
            scores = [made[place] for made in logits]
            record = self._record(adapted[i], one, scores)
            settled[i] = self._settle(adapted[i], record, cast(bytes, blobs[i]))
        return settled

    def _settle(self, adapted: Adapted, record: Record, blob: bytes) -> bool:
        """Note what an image has become, or go back to what it was; whether it is to stay so."""
        key = record.key
        reached = record.status == self.settings.success
        if self.cap and record.score and record.score["adapted"] > self.cap.limit:
            self._go_back(adapted, record)
            return True
        self._verified[key] = record
        before = self._accepted.get(key)
        if self.cap and (reached or before is None or before[0].status == "partly"):
            self._accepted[key] = record, blob
        goes_on = self.settings.verify_every and self.settings.spends_all
        return bool(reached and not goes_on)

    def _go_back(self, adapted: Adapted, over: Record) -> None:
        """Put back what the cap allowed last: an earlier file, or the anonymized image."""
        item, key = item_of(adapted), over.key
        assert self.cap is not None
        assert over.score is not None
        if key not in self._accepted:
            blank = Adapted(adapted.job, np.zeros_like(adapted.levels), 0, 0)
            blob = self._encode(blank)
            saved = blob and self._save(blank, blob)
            if not saved:
                return
            (scores,) = zip(*self.everyone.logits_from_views([saved.views]), strict=True)
            first = self._record(blank, saved, scores)
            if first.score and first.score["adapted"] > self.cap.limit:
                text = f"the anonymized image, saved as {self.form}, scores above --cap"
                self.fail(item, ImageError(f"{item.input}: {text} {self.cap.limit:g}; hide more"))
                return
            self._accepted[key] = first, cast(bytes, blob)
        record, blob = self._accepted[key]
        if self._restore(item, record, blob) is None:
            return
        reason = (
            f"after {over.steps} steps the score {over.score['adapted']:.3f} was above the cap "
            f"{self.cap.limit:g}; this is the image after {record.steps} (--set verify_every=N "
            "with a smaller N verifies more often)"
        )
        self._verified[key] = replace(record, error=reason)

    def _restore(self, item: Item, record: Record, blob: bytes) -> Record | None:
        """Put an earlier file back beside its place; None where that failed."""
        try:
            write_part(item.output, blob)
        except ImageError as error:
            self.fail(item, error)
            return None
        return record

    def _record(self, adapted: Adapted, saved: _Saved, scores: Sequence[np.ndarray]) -> Record:
        """What a saved file is like; `scores` are every classifier's logits on it."""
        item = item_of(adapted)
        known = self.known[item.key]
        decided = np.array([logits.argmax() for logits in scores])
        wanted = adapted.job.problem.decisions
        reached = self.settings.reached(decided[: self.sources], wanted).all()
        linf, psnr = difference(saved.pixels, adapted.job.pixels)
        score: Score | None = None
        if self.cap and known.memory is not None and known.score is not None:
            now = self.cap.score(known.memory, saved.pixels, scores)
            if now is not None:
                score = {"anonymized": known.score, "adapted": now}
        return Record(
            input=str(item.input),
            output=str(item.output),
            status=self.settings.success if reached else "partly",
            steps=adapted.steps,
            linf=linf,
            psnr=psnr,
            decisions={
                name: {**known.decisions[name], "adapted": int(decided[c])}
                for c, name in enumerate(self.everyone.names)
            },
            view=item.view,
            regions=known.regions,
            score=score,
            partner=str(item.partner) if item.partner else None,
        )

    def _encode(self, adapted: Adapted) -> bytes | None:
        try:
            with self.everyone.meter.stage("encode and write"):
                return encode(adapted.image, self.form)
        except (ImageError, MemoryError) as error:
            self.fail(item_of(adapted), error)
            return None

    def _save(self, adapted: Adapted, blob: bytes | None) -> _Saved | None:
        """Write an image beside its place, and look at what was written; None if that failed."""
        if blob is None:
            return None
        meter = self.everyone.meter
        try:
            with meter.stage("encode and write"):
                part = write_part(item_of(adapted).output, blob)
            with meter.stage("read back"):
                pixels = decode(part)
        except (ImageError, MemoryError) as error:
            self.fail(item_of(adapted), error)
            return None
        with meter.stage("resize for the classifiers"):
            return _Saved(pixels, self.everyone.look(pixels))


def item_of(adapted: Adapted) -> Item:
    """The item that an image of the loop is of."""
    return cast(Item, adapted.job.key)
