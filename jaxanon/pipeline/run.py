"""A run: read, anonymize, adapt, save, verify; an image at a time fails, never the run.

Reading, anonymizing, resizing and encoding go on in a bounded pool of threads beside the device.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from jax.sharding import Mesh

from jaxanon.adaptation.guarantee import guarantee
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.slots import Slots, wanted_slots
from jaxanon.adaptation.stream import stream
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.files import commit, discard, discard_part, refuse_existing
from jaxanon.pipeline.cap import Cap
from jaxanon.pipeline.intake import Intake
from jaxanon.pipeline.item import Item
from jaxanon.pipeline.manifest import Journal, Record, report
from jaxanon.pipeline.verification import Verification, item_of
from jaxanon.runtime import workers
from jaxanon.runtime.compilation import gc_paused
from jaxanon.runtime.meter import Meter

log = logging.getLogger("jaxanon")


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
        target_class: the class that sources are to see, where the goal is to `reach` one.
        cap: on how well a saved image may still lead to its original.
        quiet: no progress, no messages.

    Raises:
        UsageError: when there is no source, a classifier stands twice, `slots` is below 1, or a
            source does not have the class `target_class`.
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
        target_class: int | None = None,
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
        self.journal, self.quiet = journal, quiet
        for classifier in sources:
            if target_class is not None and not 0 <= target_class < classifier.config.num_classes:
                most = classifier.config.num_classes - 1
                raise UsageError(
                    f"--target-class is {target_class}; {classifier.name} has 0 to {most}"
                )
        self.records: dict[str, Record] = {}
        self._lock = threading.Lock()
        self.cap = cap
        self.verification = Verification(
            self.everyone, len(sources), settings, form, cap, self._fail
        )
        self.intake = Intake(
            self.everyone,
            self.sources,
            settings,
            target_class,
            cap,
            self.verification.known,
            self._fail,
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
                jobs = self.intake.jobs(todo, threads)
                for adapted in stream(jobs, slots, partial(self.verification.check, threads)):
                    self._finish(item_of(adapted))
            finally:
                threads.shutdown(wait=True, cancel_futures=True)
                for item in todo:
                    discard_part(item.output)
        self._progress.close()
        seconds = time.perf_counter() - begin
        ordered = [self.records[name] for name in keys]
        weights = {c.name: c.config.origin for c in self.everyone.classifiers}
        summary = report(ordered, self.roles, weights, self.options, seconds, len(todo))
        return {**summary, **self._guarantee(), "timing": self.meter.report()}

    def _guarantee(self) -> dict[str, Any]:
        """What adapted images can tell, for the report; an attack starts from the original."""
        if self.settings.goal != "keep":
            return {}
        classes = [classifier.config.num_classes for classifier in self.sources.classifiers]
        regions = self.options.get("regions", "whole") != "whole"
        return {
            "guarantee": guarantee(
                self.settings, classes, regions=regions, capped=self.cap is not None
            )
        }

    def compile(self) -> Slots[Item]:
        """Compile all programs of the run side by side; returns the empty slots."""
        begin = time.perf_counter()
        count = len(self.everyone.classifiers)
        log.info(
            "compiling: the adaptation to %d, %d forward passes", len(self.sources.names), count
        )
        with self.meter.stage("compile"), gc_paused(), ThreadPoolExecutor(1) as beside:
            forwards = beside.submit(self.everyone.compile)
            slots = Slots[Item](self.sources, self.settings, self.slots)
            forwards.result()
        text = "compiled in %.0f s; %d images at once, %.1f GB on each of %d devices"
        seconds = time.perf_counter() - begin
        log.info(text, seconds, slots.total, slots.memory / 1e9, self.sources.mesh.size)
        return slots

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
        partner = str(item.partner) if item.partner else None
        record = Record(
            str(item.input), None, "failed", error=text, view=item.view, partner=partner
        )
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
