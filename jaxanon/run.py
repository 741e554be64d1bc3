"""A run: read, anonymize, adapt, save, verify; an image at a time fails, never the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from jaxanon.adaptation.problem import Job
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.slots import SLOTS, Slots
from jaxanon.adaptation.stream import Adapted, stream
from jaxanon.classifiers.classifier import Classifier
from jaxanon.ensemble import PIXELS_AT_ONCE, Ensemble
from jaxanon.errors import ImageError
from jaxanon.files import commit, discard_part, refuse_existing, write, write_part
from jaxanon.images import decode, encode
from jaxanon.manifest import Decisions, Journal, Record, difference, report
from jaxanon.progress import Progress


@dataclass(frozen=True)
class Loaded:
    """An image ready to be adapted: original, anonymized, and where pixels may change."""

    original: np.ndarray
    anonymized: np.ndarray
    mask: np.ndarray | None


@dataclass(frozen=True)
class Item:
    """One image of a run.

    Attributes:
        input: path of the original.
        output: path of the file to write.
        load: reads and anonymizes; raises ImageError.
        anonymized_output: where to save the anonymized image, if wanted.
        overwrite: whether `output` may replace an existing file.
        overwrite_anonymized: the same for `anonymized_output`.
    """

    input: Path
    output: Path
    load: Callable[[], Loaded]
    anonymized_output: Path | None = None
    overwrite: bool = False
    overwrite_anonymized: bool = False


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
        slots: images adapted at once.
        quiet: no progress, no messages.

    Raises:
        UsageError: when there is no source, or a classifier stands twice.
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
        slots: int = SLOTS,
        quiet: bool = False,
    ) -> None:
        self.slots = slots
        self.items, self.settings, self.form, self.options = items, settings, form, options
        self.sources, self.everyone = Ensemble(sources), Ensemble([*sources, *targets])
        self.roles = {
            **{classifier.name: "source" for classifier in sources},
            **{classifier.name: "target" for classifier in targets},
        }
        self.journal, self.quiet = journal, quiet
        self.records: dict[str, Record] = {}
        self._decided: dict[str, Decisions] = {}
        self._verified: dict[str, Record] = {}

    def execute(self, done: Mapping[str, Record]) -> dict[str, Any]:
        """Handle every image that is not `done` (by input); returns the report."""
        inputs = [str(item.input) for item in self.items]
        self.records = {name: done[name] for name in inputs if name in done}
        self.journal.start()
        todo = [item for item in self.items if str(item.input) not in self.records]
        self._progress = Progress(len(todo), quiet=self.quiet)
        begin = time.perf_counter()
        if todo:
            try:
                slots = Slots(self.sources, self.settings, self.slots)
                for adapted in stream(self._jobs(todo), slots, self._check):
                    self._finish(_item(adapted))
            finally:
                for item in todo:
                    discard_part(item.output)
        self._progress.close()
        seconds = time.perf_counter() - begin
        ordered = [self.records[name] for name in inputs]
        weights = {c.name: c.config.source for c in self.everyone.classifiers}
        return report(ordered, self.roles, weights, self.options, seconds, len(todo))

    def _jobs(self, items: Sequence[Item]) -> Iterator[Job]:
        """The jobs, batch by batch; the originals are dropped before a job is handed out."""
        for batch in self._batches(items):
            jobs = self._decide(batch)
            batch.clear()  # the generator that made it still holds the list
            yield from jobs

    def _decide(self, batch: Sequence[tuple[Item, Loaded]]) -> list[Job]:
        """Ask every classifier about originals and anonymized images."""
        reference = self.everyone.decide([loaded.original for _, loaded in batch])
        anonymized = self.everyone.decide([loaded.anonymized for _, loaded in batch])
        jobs = []
        for i, (item, loaded) in enumerate(batch):
            self._decided[str(item.input)] = {
                name: {"reference": int(reference[c, i]), "anonymized": int(anonymized[c, i])}
                for c, name in enumerate(self.everyone.names)
            }
            wanted = reference[: len(self.sources.names), i]
            jobs.append(Job(item, loaded.anonymized, wanted, loaded.mask))
        return jobs

    def _batches(self, items: Sequence[Item]) -> Iterator[list[tuple[Item, Loaded]]]:
        batch: list[tuple[Item, Loaded]] = []
        pixels = 0
        for item in items:
            try:
                loaded = item.load()
                if item.anonymized_output is not None:
                    write(
                        item.anonymized_output,
                        encode(loaded.anonymized, "png"),
                        overwrite=item.overwrite_anonymized,
                    )
            except (ImageError, MemoryError) as error:
                self._fail(item, error)
                continue
            batch.append((item, loaded))
            pixels += loaded.original.shape[0] * loaded.original.shape[1]
            del loaded
            if len(batch) == self.everyone.batch or pixels >= PIXELS_AT_ONCE:
                yield batch
                batch, pixels = [], 0
        if batch:
            yield batch

    def _check(self, adapted: Sequence[Adapted]) -> list[bool]:
        """Save each image beside its final place, read it back, and ask every classifier."""
        read: list[tuple[Adapted, np.ndarray]] = []
        for item in adapted:
            target = _item(item)
            try:
                part = write_part(target.output, encode(item.image, self.form))
                read.append((item, decode(part)))
            except ImageError as error:
                self._fail(target, error)
        decided = self.everyone.decide([pixels for _, pixels in read])
        for i, (item, pixels) in enumerate(read):
            target = _item(item)
            name = str(target.input)
            decisions = {
                classifier: {**self._decided[name][classifier], "adapted": int(decided[c, i])}
                for c, classifier in enumerate(self.everyone.names)
            }
            kept = all(
                decisions[source]["adapted"] == decisions[source]["reference"]
                for source in self.sources.names
            )
            linf, psnr = difference(pixels, item.job.pixels)
            self._verified[name] = Record(
                input=name,
                output=str(target.output),
                status="kept" if kept else "partly",
                steps=item.steps,
                linf=linf,
                psnr=psnr,
                decisions=decisions,
            )
        return [self._settled(_item(item)) for item in adapted]

    def _settled(self, item: Item) -> bool:
        """Whether a checked image needs no further round: it is kept, or could not be written."""
        name = str(item.input)
        return name in self.records or self._verified[name].status == "kept"

    def _finish(self, item: Item) -> None:
        """Give a verified file its name.

        The journal knows of it first: a run killed in between finds no file and does it again,
        and a file that the journal does not know is somebody else's.
        """
        name = str(item.input)
        if name in self.records:
            return  # it failed to be written, and that is on record
        record = self._verified.pop(name)
        try:
            refuse_existing(item.output, overwrite=item.overwrite)
            self.journal.add(record)
            commit(item.output, overwrite=item.overwrite)
        except ImageError as error:
            self._fail(item, error)
            return
        self._done(record)

    def _fail(self, item: Item, error: Exception) -> None:
        text = str(error) if isinstance(error, ImageError) else f"{item.input}: out of memory"
        self._progress.error(text)
        record = Record(str(item.input), None, "failed", error=text)
        self.journal.add(record)
        self._done(record)

    def _done(self, record: Record) -> None:
        self.records[record.input] = record
        self._decided.pop(record.input, None)
        self._progress.advance()


def _item(adapted: Adapted) -> Item:
    return cast(Item, adapted.job.key)
