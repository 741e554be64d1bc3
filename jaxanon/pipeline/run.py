"""A run: read, anonymize, adapt, save, verify; an image at a time fails, never the run.

Reading, anonymizing, resizing and encoding go on in a bounded pool of threads beside the device.
The stages pass one `ImageState` per image along; the run alone writes journal and progress.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from jax.sharding import Mesh

from jaxanon.adaptation.guarantee import guarantee
from jaxanon.adaptation.problem import Job
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.slots import Slots, wanted_slots
from jaxanon.adaptation.stream import stream
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.display.labels import class_number
from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.results import refuse_existing
from jaxanon.pipeline.cap import Cap
from jaxanon.pipeline.intake import Intake
from jaxanon.pipeline.item import Failure, ImageState, Item
from jaxanon.pipeline.journal import Journal
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.report import Report, Totals, summarise
from jaxanon.pipeline.verification import Verification
from jaxanon.runtime import workers
from jaxanon.runtime.compilation import gc_paused
from jaxanon.runtime.meter import Meter

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about its images.

    Attributes:
        form: format of the saved images: `png`, `jpeg` or `webp`.
        mesh: the devices; all by default.
        slots: images adapted at once, per device; by default what suits the device.
        target_class: name or number of the class that sources are to see, where the goal is to
            `reach` one.
        cap: the highest score that a saved image may have, if there is a bound.
        quiet: no progress, no messages.
        resize_on: where images are resized for classifiers, see
            `jaxanon.classifiers.ensemble.Ensemble`; the results are the same.
    """

    form: str = "png"
    mesh: Mesh | None = None
    slots: int | None = None
    target_class: str | int | None = None
    cap: Cap | None = None
    quiet: bool = False
    resize_on: str = "auto"


class Run:
    """One pass over a list of images.

    Args:
        items: the images.
        sources: classifiers to adapt to.
        targets: classifiers to evaluate only.
        settings: options of the loop.
        journal: where records are kept; its options stand in the report.
        options: how to go about it.

    Raises:
        UsageError: when there is no source, a classifier stands twice, `slots` is below 1, or a
            source does not have the target class, or a judge has two classes.
    """

    ensemble_class = Ensemble

    def __init__(
        self,
        items: Sequence[Item],
        sources: Sequence[Classifier],
        targets: Sequence[Classifier],
        settings: Settings,
        journal: Journal,
        options: RunOptions | None = None,
    ) -> None:
        options = options or RunOptions()
        self.items, self.settings, self.journal, self.options = items, settings, journal, options
        self.meter = Meter()
        self.ensemble = self.ensemble_class(
            [*sources, *targets],
            mesh=options.mesh,
            meter=self.meter,
            resize_on=options.resize_on,
        )
        self.sources = self.ensemble.first(len(sources))
        self.slots = wanted_slots(options.slots, self.ensemble.mesh, len(items))
        _refuse_judges(options.cap, targets)
        target_classes = _target_classes(options.target_class, sources)
        self.roles = {
            **{classifier.name: "source" for classifier in sources},
            **{classifier.name: "target" for classifier in targets},
        }
        self.intake = Intake(
            self.ensemble, self.sources, settings, target_classes, options.cap, self.meter
        )
        self.verification = Verification(
            self.ensemble, len(sources), settings, options.form, options.cap, self.meter
        )
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()
        self._progress = Progress(0, quiet=True)

    def execute(self, done: Mapping[str, Record] | None = None) -> Report:
        """Handle every image that is not done; returns the report.

        Args:
            done: by key, the records of images that need not be handled.
        """
        keys = [item.key for item in self.items]
        self._records = {name: done[name] for name in keys if name in done} if done else {}
        todo = [item for item in self.items if item.key not in self._records]
        slots = self.compile() if todo else None
        self.journal.start()
        self._progress = Progress(len(todo), quiet=self.options.quiet)
        begin = time.perf_counter()
        with closing(self._progress):  # an interrupted one would leave the terminal no cursor
            if slots:
                self._adapt(todo, slots)
        totals = Totals(time.perf_counter() - begin, len(todo))
        records = [self._records[name] for name in keys]
        origins = {c.name: c.config.origin for c in self.ensemble.classifiers}
        report = summarise(records, self.roles, origins, self.journal.options, totals)
        return {**report, **self._guarantee(), "timing": self.meter.report()}

    def compile(self) -> Slots[ImageState]:
        """Compile all programs of the run side by side; returns the empty slots."""
        begin = time.perf_counter()
        count = len(self.ensemble.classifiers)
        log.info(
            "compiling: the adaptation to %d, %d forward passes", len(self.sources.names), count
        )
        with self.meter.stage("compile"), gc_paused(), ThreadPoolExecutor(1) as beside:
            forwards = beside.submit(self.ensemble.compile)
            slots = self.make_slots()
            forwards.result()
        text = "compiled in %.0f s; %d images at once, %.1f GB on each of %d devices"
        seconds = time.perf_counter() - begin
        log.info(text, seconds, slots.total, slots.memory / 1e9, self.sources.mesh.size)
        return slots

    def make_slots(self) -> Slots[ImageState]:
        """The running batch of this run, empty; compiles its program."""
        return Slots(self.sources, self.settings, self.slots)

    def _adapt(self, todo: Sequence[Item], slots: Slots[ImageState]) -> None:
        """Take the images through all stages."""
        threads = workers.pool()
        self.meter.start()
        try:
            check = partial(self.verification.check, threads=threads)
            with workers.one_core_each():
                for adapted in stream(self._jobs(todo, threads), slots, check):
                    self._finish(self.verification.finish(adapted.job.key))
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
            for item in todo:
                item.output.discard_part()

    def _jobs(
        self, todo: Sequence[Item], threads: ThreadPoolExecutor
    ) -> Iterator[Sequence[Job[ImageState]]]:
        for batch in self.intake.batches(todo, threads):
            for failure in batch.failures:
                self._fail(failure)
            if batch.jobs:
                yield batch.jobs

    def _finish(self, state: ImageState) -> None:
        """Give a verified file its name.

        The journal knows of it first: a run killed in between finds no file and does it again,
        and a file that the journal does not know is somebody else's. So an older file of the name
        goes before that: it would be taken for the one on record.
        """
        if state.failure is not None:
            self._fail(state.failure)
            return
        assert state.saved is not None
        item, record = state.item, state.saved
        try:
            refuse_existing(item.output)
            item.output.discard()
            with self._lock:
                self.journal.add(item, record)
            item.output.commit()
        except ImageError as error:
            self._fail(Failure.from_error(item, error))
            return
        with self._lock:
            self._done(record)

    def _fail(self, failure: Failure) -> None:
        item, record = failure.item, failure.record()
        if item.output.overwrite:
            item.output.discard()  # of an earlier run: it would pass for this one's
        with self._lock:
            self._progress.error(failure.reason)
            self.journal.add(item, record)
            self._done(record)

    def _done(self, record: Record) -> None:
        self._records[record.key] = record
        self._progress.advance()

    def _guarantee(self) -> Report:
        """What adapted images can reveal, for the report; an attack starts from the original."""
        if self.settings.goal != "keep":
            return {}
        classes = [classifier.config.num_classes for classifier in self.sources.classifiers]
        regions = self.journal.options.get("regions", "whole") != "whole"
        capped = self.options.cap is not None
        return {"guarantee": guarantee(self.settings, classes, regions=regions, capped=capped)}


def _refuse_judges(cap: Cap | None, targets: Sequence[Classifier]) -> None:
    """Refuse targets as judges whose logits tell no images apart: two always correlate whole."""
    if cap is not None and cap.judge == "targets":
        for classifier in targets:
            if classifier.config.num_classes < 3:
                raise UsageError(
                    f"--judge targets: {classifier.name} has two classes, too few to compare by; "
                    "give other --targets, or --judge faces"
                )


def _target_classes(
    target_class: str | int | None, sources: Sequence[Classifier]
) -> list[int] | None:
    """Each source's number of the class that all are to see; None where they are to see none."""
    if target_class is None:
        return None
    numbers = []
    for classifier in sources:
        try:
            numbers.append(class_number(classifier.config, target_class))
        except UsageError as error:
            raise UsageError(f"--target-class: {classifier.name}: {error}") from error
    return numbers
