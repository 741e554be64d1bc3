"""A run over files: read, anonymize, adapt, save, verify; an image at a time fails, never the run.

The run alone writes journal and progress.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing

from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.outside.classifier import Outside
from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError
from jaxanon.io.results import refuse_existing
from jaxanon.pipeline import pace
from jaxanon.pipeline.gallery import Gallery
from jaxanon.pipeline.item import Failure, ImageState, Item
from jaxanon.pipeline.journal import Journal
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.report import Report, Totals, summarise
from jaxanon.pipeline.stages import RunOptions, Stages


class Run:
    """One pass over a list of images.

    Args:
        items: the images.
        sources: classifiers to adapt to.
        targets: classifiers to evaluate only.
        settings: options of the loop.
        journal: where records are kept; its options stand in the report.
        options: how to go about it.
        gallery: where thumbnails are kept, of the items that have any.

    Raises:
        UsageError: as for `Stages`.
    """

    stages_class = Stages

    def __init__(
        self,
        items: Sequence[Item],
        sources: Sequence[Classifier],
        targets: Sequence[Classifier | Outside],
        settings: Settings,
        journal: Journal,
        options: RunOptions | None = None,
        gallery: Gallery | None = None,
    ) -> None:
        self.gallery = gallery
        self.items, self.journal, self.options = items, journal, options or RunOptions()
        self.stages = self.stages_class(sources, targets, settings, self.options, len(items))
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()
        self._begin, self._ends = 0.0, list[float]()
        self._progress = Progress(0, quiet=True)

    def execute(self, done: Mapping[str, Record] | None = None) -> Report:
        """Handle every image that is not done; returns the report.

        Args:
            done: by key, the records of images that need not be handled.
        """
        stages = self.stages
        keys = [item.key for item in self.items]
        self._records = {name: done[name] for name in keys if name in done} if done else {}
        todo = [item for item in self.items if item.key not in self._records]
        if todo:
            stages.compile()
        self.journal.start()
        if self.gallery:
            self.gallery.start(self._records.keys())
        self._progress = Progress(len(todo), quiet=self.options.quiet)
        self._begin, self._ends = time.perf_counter(), []
        try:
            with closing(self._progress):  # an interrupted one would leave the terminal no cursor
                if todo:
                    stages.process(todo, self._finish)
        finally:
            for item in todo:
                item.output.discard_part()
        totals = Totals(time.perf_counter() - self._begin, len(todo))
        records = [self._records[name] for name in keys]
        report = summarise(records, stages.describe(self.journal.options), totals)
        promised = stages.guarantee(self.journal.options)
        timing = {**stages.meter.report(), "throughput": pace.over_time(self._ends)}
        return {**report, **promised, "timing": timing}

    def _finish(self, outcome: ImageState | Failure) -> None:
        """Give a verified file its name.

        The journal knows of it first: a run killed in between finds no file and does it again,
        and a file that the journal does not know is somebody else's. So an older file of the name
        goes before that: it would be taken for the one on record.
        """
        if isinstance(outcome, Failure):
            self._fail(outcome)
            return
        assert outcome.saved is not None
        item, record = outcome.item, outcome.saved
        try:
            refuse_existing(item.output)
            item.output.discard()
            with self._lock:
                self.journal.add(item, record)
            item.output.commit()
            if self.gallery and outcome.thumbnails:
                with self._lock:
                    self.gallery.add(outcome.thumbnails)
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
        self._ends.append(time.perf_counter() - self._begin)
        self._progress.advance()
