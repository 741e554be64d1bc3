"""A run: read, anonymize, adapt, save, verify; an image at a time fails, never the run.

Reading, anonymizing, resizing and encoding go on in a bounded pool of threads beside the device.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from jaxanon import workers
from jaxanon.adaptation.guarantee import guarantee
from jaxanon.adaptation.problem import Job, prepare
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.slots import Slots, wanted_slots
from jaxanon.adaptation.stream import stream
from jaxanon.cap import Cap, Memory
from jaxanon.classifiers.classifier import Classifier
from jaxanon.compilation import undisturbed
from jaxanon.ensemble import PIXELS_AT_ONCE, Ensemble, Views
from jaxanon.errors import ImageError, UsageError
from jaxanon.files import commit, discard, discard_part, refuse_existing, write
from jaxanon.images import count_pixels, encode
from jaxanon.items import Item
from jaxanon.manifest import Journal, Record, report
from jaxanon.meter import Meter
from jaxanon.progress import Progress
from jaxanon.verification import Known, Verification, item_of

log = logging.getLogger("jaxanon")


class _Seen(NamedTuple):
    """What is left of an image once it has been looked at; of the original, what classifiers see.

    Attributes:
        item: what it was loaded for.
        regions: private ones found in it.
        memory: what the judge of a cap keeps of the original's faces.
        pixels: anonymized.
        mask: where pixels may change.
        original, anonymized: views of all classifiers.
    """

    item: Item
    regions: int | None
    memory: Memory | None
    pixels: np.ndarray
    mask: np.ndarray | None
    original: Views
    anonymized: Views


class Run:
    """One pass over a list of images.

    Args:
        items: the images.
        sources: classifiers to adapt to.
        targets: classifiers to evaluate only.
        settings: options of the loop.
        form: `png`, `jpeg` or `webp`.
        options: all options of the run, for report and journal.
        journal: where records are kept.
        mesh: the devices; all by default.
        slots: images adapted at once, per device; by default what suits the device.
        towards: the class that sources are to see, where the goal is to `reach` one.
        cap: on how well a saved image may still lead to its original.
        quiet: no progress, no messages.

    Raises:
        UsageError: when there is no source, a classifier stands twice, `slots` is below 1, or a
            source does not have the class `towards`.
    """

    def __init__(
        self,
        items: Sequence[Item],
        sources: Sequence[Classifier],
        targets: Sequence[Classifier],
        settings: Settings,
        form: str,
        options: Mapping[str, Any],
        journal: Journal,
        *,
        mesh: Mesh | None = None,
        slots: int | None = None,
        towards: int | None = None,
        cap: Cap | None = None,
        quiet: bool = False,
    ) -> None:
        self.items, self.settings, self.form, self.options = items, settings, form, options
        self.meter = Meter()
        self.everyone = Ensemble([*sources, *targets], mesh=mesh, meter=self.meter)
        self.sources = self.everyone.first(len(sources))
        self.slots = wanted_slots(slots, self.everyone.mesh)
        self.roles = {
            **{classifier.name: "source" for classifier in sources},
            **{classifier.name: "target" for classifier in targets},
        }
        self.journal, self.quiet, self.towards = journal, quiet, towards
        for classifier in sources:
            if towards is not None and not 0 <= towards < classifier.config.classes:
                most = classifier.config.classes - 1
                raise UsageError(f"--towards is {towards}; {classifier.name} has 0 to {most}")
        self.records: dict[str, Record] = {}
        self._lock = threading.Lock()
        self.cap = cap
        self.verification = Verification(
            self.everyone, len(sources), settings, form, cap, self._fail
        )

    def execute(self, done: Mapping[str, Record]) -> dict[str, Any]:
        """Handle every image that is not `done` (by key); returns the report."""
        keys = [item.key for item in self.items]
        self.records = {name: done[name] for name in keys if name in done}
        todo = [item for item in self.items if item.key not in self.records]
        slots = self.compile() if todo else None
        self.journal.start()
        self._progress = Progress(len(todo), quiet=self.quiet)
        begin = time.perf_counter()
        if slots:
            threads = workers.pool()
            self.meter.start()
            try:
                jobs = self._jobs(todo, threads)
                for adapted in stream(jobs, slots, partial(self.verification.check, threads)):
                    self._finish(item_of(adapted))
            finally:
                threads.shutdown(wait=True, cancel_futures=True)
                for item in todo:
                    discard_part(item.output)
        self._progress.close()
        seconds = time.perf_counter() - begin
        ordered = [self.records[name] for name in keys]
        weights = {c.name: c.config.source for c in self.everyone.classifiers}
        summary = report(ordered, self.roles, weights, self.options, seconds, len(todo))
        return {**summary, **self._guarantee(), "timing": self.meter.report()}

    def _guarantee(self) -> dict[str, Any]:
        """What adapted images can tell, for the report; an attack starts from the original."""
        if self.settings.goal != "keep":
            return {}
        classes = [classifier.config.classes for classifier in self.sources.classifiers]
        regions = self.options.get("regions", "whole") != "whole"
        return {
            "guarantee": guarantee(
                self.settings, classes, regions=regions, capped=self.cap is not None
            )
        }

    def compile(self) -> Slots:
        """Compile all programs of the run side by side; returns the empty slots."""
        begin = time.perf_counter()
        count = len(self.everyone.classifiers)
        log.info(
            "compiling: the adaptation to %d, %d forward passes", len(self.sources.names), count
        )
        with self.meter.stage("compile"), undisturbed(), ThreadPoolExecutor(1) as beside:
            forwards = beside.submit(self.everyone.compile)
            slots = Slots(self.sources, self.settings, self.slots)
            forwards.result()
        text = "compiled in %.0f s; %d images at once, %.1f GB on each of %d devices"
        seconds = time.perf_counter() - begin
        log.info(text, seconds, slots.total, slots.memory / 1e9, self.sources.mesh.size)
        return slots

    def _jobs(self, items: Sequence[Item], threads: ThreadPoolExecutor) -> Iterator[list[Job]]:
        """The jobs, batch by batch, without those images that cannot be read."""
        batch = self.everyone.batch
        seen = workers.ahead(
            self._look, items, threads, 2 * batch, lambda item: count_pixels(item.input),
            PIXELS_AT_ONCE,
        )  # fmt: skip
        waiting: list[_Seen] = []
        for one in seen:
            if one is not None:
                waiting.append(one)
            pixels = sum(seen.pixels[..., 0].size for seen in waiting)
            if len(waiting) == batch or pixels >= PIXELS_AT_ONCE:
                yield self._decide(waiting, threads)
                waiting = []
        if waiting:
            yield self._decide(waiting, threads)

    def _look(self, item: Item) -> _Seen | None:
        """Load an image and let every classifier see it; the original's pixels end here."""
        try:
            with self.meter.stage("read and anonymize"):
                loaded = item.load()
            for place, pixels in (
                (item.anonymized_output, loaded.anonymized),
                (item.low_output, loaded.low),
            ):
                if place is not None and pixels is not None:
                    with self.meter.stage("encode and write"):
                        write(place, encode(pixels, "png"), overwrite=item.overwrite_anonymized)
            with self.meter.stage("resize for the classifiers"):
                original = self.everyone.look(loaded.original)
                anonymized = self.everyone.look(loaded.anonymized)
            memory = self.cap.faces(loaded.original, loaded.boxes) if self.cap else None
        except (ImageError, MemoryError) as error:
            self._fail(item, error)
            return None
        kept = None if loaded.boxes is None else len(loaded.boxes), memory
        return _Seen(item, *kept, loaded.anonymized, loaded.mask, original, anonymized)

    def _decide(self, batch: Sequence[_Seen], threads: ThreadPoolExecutor) -> list[Job]:
        """Ask every classifier about originals and anonymized images, and state the jobs."""
        scores = self.everyone.logits_of([seen.original for seen in batch])
        after = self.everyone.logits_of([seen.anonymized for seen in batch])
        reference = np.stack([logits.argmax(1) for logits in scores])
        anonymized = np.stack([logits.argmax(1) for logits in after])
        for i, seen in enumerate(batch):
            decisions = {
                name: {"reference": int(reference[c, i]), "anonymized": int(anonymized[c, i])}
                for c, name in enumerate(self.everyone.names)
            }
            known = Known(decisions, seen.regions)
            if self.cap and seen.memory:
                known.memory = self.cap.logits(seen.memory, [made[i] for made in scores])
                shown = [made[i] for made in after]
                known.score = self.cap.score(known.memory, seen.pixels, shown)
            self.verification.known[seen.item.key] = known
        told = zip(*scores[: len(self.sources.names)], strict=True)
        jobs = threads.map(self._prepare, batch, reference.T, told)
        return [job for job in jobs if job is not None]

    def _prepare(
        self, seen: _Seen, reference: np.ndarray, scores: Sequence[np.ndarray]
    ) -> Job | None:
        """State a job, from what the sources made of the original: no more of that than is asked.

        Args:
            seen: the image.
            reference: `(classifiers,)`, their decisions on the original.
            scores: per source its logits on the original.
        """
        count = len(self.sources.names)
        wanted = reference[:count] if self.towards is None else np.full(count, self.towards)
        soft = self.settings.loss == "soft"
        score = self.verification.known[seen.item.key].score
        if self.cap and score is not None and score > self.cap.limit:
            text = (
                f"{seen.item.input}: the anonymized image itself scores {score:.3f}, above the cap "
                f"{self.cap.limit:g}; hide more, or raise --cap"
            )
            for place in (seen.item.anonymized_output, seen.item.low_output):
                if place is not None:
                    discard(place)
            self._fail(seen.item, ImageError(text))
            return None
        try:
            with self.meter.stage("prepare for the loop"):
                return prepare(
                    seen.item,
                    seen.pixels,
                    wanted,
                    self.sources,
                    self.settings,
                    mask=seen.mask,
                    views=seen.anonymized[:count],
                    beliefs=[probabilities(logits) for logits in scores] if soft else None,
                )
        except MemoryError as error:
            self._fail(seen.item, error)
            return None

    def _finish(self, item: Item) -> None:
        """Give a verified file its name.

        The journal knows of it first: a run killed in between finds no file and does it again,
        and a file that the journal does not know is somebody else's. So an older file of the name
        goes before that: it would be taken for the one on record.
        """
        record = self.verification.take(item)
        if item.key in self.records or record is None:
            return  # it failed to be written, and that is on record
        try:
            refuse_existing(item.output, overwrite=item.overwrite)
            discard(item.output)
            with self._lock:
                self.journal.add(record)
            commit(item.output, overwrite=item.overwrite)
        except ImageError as error:
            self._fail(item, error)
            return
        self._done(record)

    def _fail(self, item: Item, error: Exception) -> None:
        text = str(error) if isinstance(error, ImageError) else f"{item.input}: out of memory"
        record = Record(str(item.input), None, "failed", error=text, view=item.view)
        if item.overwrite:
            discard(item.output)  # of an earlier run: it would pass for this one's
        with self._lock:
            self._progress.error(text)
            self.journal.add(record)
        self._done(record)

    def _done(self, record: Record) -> None:
        with self._lock:
            self.records[record.key] = record
            self.verification.forget(record.key)
            self._progress.advance()


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of `(..., classes)`."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))
