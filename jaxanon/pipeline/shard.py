"""One shard in, one shard out: whole or not at all, the same bytes whoever does it.

Knows nothing of what hands out the shards: a loop, the tasks of a scheduler, a cluster's actors.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial

import jax

from jaxanon.errors import DeviceMemoryError, ImageError, UsageError, printable
from jaxanon.io.files import SUFFIX
from jaxanon.io.reading import ReadAs, Reading
from jaxanon.io.shard_kinds import file_of, kind_of, place_in
from jaxanon.io.shards import Sample, Shard
from jaxanon.io.spool import Spool, SpooledPlace
from jaxanon.io.work import Work
from jaxanon.pipeline import shard_gallery
from jaxanon.pipeline.item import Failure, ImageState, Item
from jaxanon.pipeline.loading import Load
from jaxanon.pipeline.manifest import Manifest
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.shard_done import ShardDone
from jaxanon.pipeline.stages import Stages
from jaxanon.pipeline.thumbnails import Thumbnails
from jaxanon.runtime.turns import Turns

log = logging.getLogger(__name__)
DAMAGE = (OSError, ArithmeticError, LookupError, TypeError, ValueError, MemoryError)
"""What a file that changes, vanishes or is damaged may raise, wherever it is noticed."""
Told = Callable[[Record], None]
"""Told of each image of a shard once it is adapted, or has failed."""
Steps = Generator[None, None, ShardDone]
"""A shard on its way, see `ShardWorker.steps`."""
IN_HAND = 2
"""Shards that a worker has begun at once: one is adapted, the last one written or the next read."""


class ShardWorker:
    """Adapts shards, one after the other, with programs compiled once.

    What needs no device goes on beside the images of a shard: the one before it is written, then
    the next one is fetched and read.

    Args:
        stages: what images go through.
        load: reads and anonymizes an original.
        manifest: the run's.
        reading: how pictures are read.
        images: of the run, some of which get thumbnails; 0 where that is not known.
    """

    def __init__(
        self, stages: Stages, load: Load, manifest: Manifest, reading: Reading, images: int = 0
    ) -> None:
        self._images = images
        self.stages, self.load, self.manifest, self.reading = stages, load, manifest, reading
        self._turns, self._device = Turns(IN_HAND), threading.Lock()

    def adapt(self, work: Work, told: Told) -> ShardDone:
        """Adapt a shard, or find that it is finished; several threads may ask at once.

        Args:
            work: the input.
            told: told of each image.

        Raises:
            ImageError: when the shard cannot be read or written, the device fails, or it has killed
                its worker `MOST_ATTEMPTS` times; nothing of it is there then.
            DeviceMemoryError: when the device does not hold a single image.
        """
        steps = self.steps(work, told)
        try:
            next(steps)
            with self._device:
                next(steps)
            next(steps)
        except StopIteration as end:
            done: ShardDone = end.value
            return done
        raise AssertionError

    def steps(self, work: Work, told: Told) -> Steps:
        """`adapt` in three steps: it is read, its images are adapted, it is written.

        Each step may be made in another thread. All but the second may be made beside those of
        other shards, of which no more than `IN_HAND` are begun at once. A shard over which a worker
        has died before is adapted with no other in hand, so that none is blamed for it.

        Raises:
            CancelledError: at the first step, after `stop`.
        """
        try:
            source = work.state()
            self.manifest.refuse_other(work.name, work.origin)
            if earlier := self._finished(work, source, told):
                return earlier
            alone = self.manifest.attempts.deaths(work.name) > 0
            with (
                self._turns.take(alone=alone),
                self.manifest.attempts.attempt(work.name),
                work.open() as shard,
            ):
                return (yield from self._make(work, shard, source, told))
        except (ImageError, UsageError) as error:
            if done := self._by_another(work):
                return done
            raise ImageError(str(error)) from error
        except jax.errors.JaxRuntimeError as error:
            raise ImageError(f"the device failed: {error}") from error
        except DeviceMemoryError:
            raise  # no shard would fit
        except DAMAGE as error:
            raise ImageError(f"{work.shown}: cannot be adapted: {error!r}") from error

    def _finished(self, work: Work, source: str, told: Told) -> ShardDone | None:
        """The marker of a shard that was finished before, of which all is there."""
        if done := self.manifest.done(work.name, source):
            try:
                if lost := self.manifest.lost(done):
                    raise UsageError(f"{self.manifest.store.name}/{printable(lost)}: is gone")
                for record in list(self.manifest.records(done)):
                    told(record)
                return done
            except UsageError as error:
                log.warning("%s; %s is adapted again", error, work.shown)
                self.manifest.forget(work.name)
        return None

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._turns.closed

    def stop(self) -> None:
        """Begin no further shard, nor wait for a turn; what is in hand may be ended or closed."""
        self._turns.close()

    def _by_another(self, work: Work) -> ShardDone | None:
        """The marker of a shard that another process has finished meanwhile."""
        try:
            self.manifest.refuse_other(work.name, work.origin)
            return self.manifest.done(work.name, work.state())
        except (OSError, ImageError):
            return None

    def _make(self, work: Work, shard: Shard, source: str, told: Told) -> Steps:
        """Adapt a shard that is not finished."""
        name = work.name
        if done := self.manifest.done(name, source):
            return done  # by another process, meanwhile
        self.manifest.forget(name)
        self.manifest.remove_files(name)
        with closing(Spool(self.manifest.store.scratch)) as spool:
            items = self._items(name, shard, spool)
            yield
            begin = time.perf_counter()
            records, thumbnails = self._adapt(items, told)
            seconds = time.perf_counter() - begin
            yield
            _check_same(work, source)
            records_size, records_digest = self.manifest.write_records(name, records)
            store, file, form = self.manifest.store, file_of(name), self.stages.options.form
            with kind_of(name).writer(shard, store, file, form) as writer:
                for sample, item, record in zip(shard.samples, items, records, strict=True):
                    if record.status == "failed":
                        writer.leave_out(sample)
                        continue
                    with item.output.open() as picture:
                        writer.add(sample, picture.read(), _inside(record, sample))
                _check_same(work, source)
                size, digest = writer.commit()
            shard_gallery.write(store, name, thumbnails)
        done = ShardDone(
            shard=name,
            file=file,
            origin=work.origin,
            source=source,
            images=len(records),
            failed=sum(record.status == "failed" for record in records),
            size=size,
            sha256=digest,
            records_size=records_size,
            records_sha256=records_digest,
            seconds=round(seconds, 3),
        )
        self.manifest.finish(done)
        return done

    def _items(self, name: str, shard: Shard, spool: Spool) -> list[Item]:
        """The images of a shard, with their places in what is made of it."""
        suffix = SUFFIX[self.stages.options.form]
        items = []
        for sample in shard.samples:
            image = ReadAs(sample, self.reading)
            place = SpooledPlace(place_in(name, sample, suffix), spool)
            shown = shard_gallery.is_drawn(image.name, self._images)
            items.append(Item(image, place, partial(self.load, image, 0), shown=shown))
        return items

    def _adapt(self, items: Sequence[Item], told: Told) -> tuple[list[Record], list[Thumbnails]]:
        """Take the images of a shard through all stages; their records, and thumbnails of some."""
        found: dict[int, Record] = {}
        small: dict[int, Thumbnails] = {}
        lock = threading.Lock()

        def done(outcome: ImageState | Failure) -> None:
            with lock:
                record = _keep(outcome)
                found[id(outcome.item)] = record
                if isinstance(outcome, ImageState) and outcome.thumbnails:
                    small[id(outcome.item)] = outcome.thumbnails
                told(record)

        self.stages.process(items, done)
        shown = [small[id(item)] for item in items if id(item) in small]
        return [found[id(item)] for item in items], shown


def _check_same(work: Work, source: str) -> None:
    """Raise ImageError where an input is not what it was."""
    if work.state() != source:
        raise ImageError(f"{work.shown}: was changed while it was read")


def _keep(outcome: ImageState | Failure) -> Record:
    """Put a verified image on the spool; returns the record that counts.

    Raises:
        ImageError: when there is no room: that is the shard's failure, not the image's.
    """
    if isinstance(outcome, Failure):
        return outcome.record()
    assert outcome.saved is not None
    outcome.item.output.commit()
    return outcome.saved


def _inside(record: Record, sample: Sample) -> dict[str, object]:
    """The record as the adapted sample carries it: it says nothing of where files lay."""
    inside = replace(record, input=sample.relative.as_posix(), output=None)
    return {name: value for name, value in asdict(inside).items() if value is not None}
