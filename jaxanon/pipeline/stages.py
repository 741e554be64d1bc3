"""All that happens to an image between its file and its verified file, programs compiled once.

Reading, anonymizing, resizing and encoding go on in a bounded pool of threads beside the device.
The stages pass one `ImageState` per image along.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from jax.sharding import Mesh

from jaxanon.adaptation.attempt import Adapted
from jaxanon.adaptation.guarantee import guarantee
from jaxanon.adaptation.problem import Job
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.slots import Slots, wanted_slots
from jaxanon.adaptation.stream import CHECKS, stream
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.outside.classifier import Outside
from jaxanon.classifiers.outside.panel import Panel
from jaxanon.classifiers.outside.remembered import Remembered
from jaxanon.errors import ImageError
from jaxanon.io.images import decode
from jaxanon.io.results import WrittenPart
from jaxanon.pipeline.cap import Cap
from jaxanon.pipeline.intake import Intake
from jaxanon.pipeline.item import Failure, ImageState, Item
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.refusals import refuse_idle_queries, refuse_judges, target_classes
from jaxanon.pipeline.report import Report, describe
from jaxanon.pipeline.thumbnails import Thumbnails
from jaxanon.pipeline.verification import Verification
from jaxanon.runtime import workers
from jaxanon.runtime.compilation import gc_paused
from jaxanon.runtime.meter import Meter

log = logging.getLogger(__name__)
Done = Callable[[ImageState | Failure], None]
"""Told of each image that has left the stages: verified beside its place, or failed."""


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
        oracles: names of the targets whose decisions are to be kept too, by asking.
    """

    form: str = "png"
    mesh: Mesh | None = None
    slots: int | None = None
    target_class: str | int | None = None
    cap: Cap | None = None
    quiet: bool = False
    resize_on: str = "auto"
    oracles: tuple[str, ...] = ()


class Stages:
    """Takes images from their files to verified files, batch after batch.

    Programs are compiled at the first image, and serve all that come later.

    Args:
        sources: classifiers to adapt to.
        targets: classifiers to evaluate only; those from outside are asked after the others.
        settings: options of the loop.
        options: how to go about it.
        images: how many are to come in all; 0 where that is not known.

    Raises:
        UsageError: when there is no source, a classifier stands twice, `slots` is below 1, or a
            source does not have the target class, or a judge has two classes.
    """

    ensemble_class = Ensemble

    def __init__(
        self,
        sources: Sequence[Classifier],
        targets: Sequence[Classifier | Outside],
        settings: Settings,
        options: RunOptions,
        images: int = 0,
    ) -> None:
        self.settings, self.options = settings, options
        self.meter = Meter()
        held_out = [each for each in targets if isinstance(each, Classifier)]
        self.ensemble = self.ensemble_class(
            [*sources, *held_out],
            mesh=options.mesh,
            meter=self.meter,
            resize_on=options.resize_on,
        )
        outside = [each for each in targets if not isinstance(each, Classifier)]
        hides = settings.goal == "keep"
        self.panel = Panel(self.ensemble, outside, shows_originals=hides, keep=settings.keeping)
        self.sources = self.ensemble.first(len(sources))
        self.slots_per_device = wanted_slots(options.slots, self.ensemble.mesh, images)
        refuse_judges(options.cap, held_out)
        wanted = target_classes(options.target_class, sources)
        names = self.panel.names
        self.oracles = options.oracles
        self.roles = {
            name: "source"
            if number < len(sources)
            else "oracle"
            if name in self.oracles
            else "target"
            for number, name in enumerate(names)
        }
        refuse_idle_queries(settings, self.oracles)
        self.intake = Intake(self.panel, self.sources, settings, wanted, options.cap, self.meter)
        self.verification = Verification(
            self.panel,
            len(sources),
            settings,
            options.form,
            options.cap,
            self.meter,
            self.oracles,
        )
        self._slots: Slots[ImageState] | None = None

    def remember(self, answers: Remembered) -> None:
        """Keep services' answers there, and ask nothing that is answered there."""
        for each in self.panel.outside:
            each.remember(answers)

    def describe(self, options: Mapping[str, Any]) -> Report:
        """What a report says before it comes to images.

        Args:
            options: all that the results depend on.
        """
        known = self.panel.classes
        origins = {name: each.origin for name, each in known.items()}
        classes = {name: each.num_classes for name, each in known.items()}
        return describe(self.roles, origins, classes, options)

    def guarantee(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What adapted images can reveal, for the report; an attack starts from the original.

        Args:
            options: those on record, of which `regions` says what is private.
        """
        if self.settings.goal != "keep":
            return {}
        classes, oracles = (
            [self.panel.classes[name].num_classes for name in names]
            for names in (self.sources.names, self.oracles)
        )
        regions = options.get("regions", "whole") != "whole"
        capped = self.options.cap is not None
        return {
            "guarantee": guarantee(
                self.settings, classes, regions=regions, capped=capped, oracles=oracles
            )
        }

    def process(self, items: Iterable[Item], done: Done) -> None:
        """Take images through all stages.

        Args:
            items: the images, taken one by one as there is room.
            done: told of each image that has been verified, or has failed, in the order in which
                that happens; by another thread of failures on the way in, and of images that
                thumbnails are made of.
        """
        slots = self.compile()
        threads = workers.pool()
        late: list[Future[None]] = []
        self.meter.start()
        try:
            check = partial(self.verification.check, threads=threads)
            with workers.one_core_each():
                jobs, checks = self._jobs(items, threads, done), CHECKS if self.panel.outside else 1
                for adapted in stream(jobs, slots, check, checks):
                    state = self.verification.finish(adapted.job.key)
                    if state.item.shown and state.saved and not state.failure:
                        small = partial(self._thumbnails, state, state.saved, adapted)
                        late.append(threads.submit(_show, state, small, done))
                    else:
                        done(state.failure or state)
                for shown in late:
                    shown.result()
        except BaseException:
            self._slots = None  # images of this call are still in them
            raise
        finally:
            threads.shutdown(wait=True, cancel_futures=True)

    def _thumbnails(
        self, state: ImageState, saved: Record, adapted: Adapted[ImageState]
    ) -> Thumbnails | None:
        """Small pictures of a saved image; None where nothing hides the original, as in attacks."""
        if state.baseline.hiding is None:
            return None
        with suppress(ImageError), self.meter.stage("thumbnails"):
            pixels = decode(WrittenPart(state.item.output))
            return Thumbnails.of(saved, adapted.job.pixels, pixels, self.panel.classes)
        return None

    def compile(self) -> Slots[ImageState]:
        """Compile all programs side by side, once; returns the empty slots."""
        if self._slots is not None:
            return self._slots
        begin = time.perf_counter()
        count = len(self.ensemble.classifiers)
        log.info(
            "compiling: gradient steps through %d, decisions of %d classifiers",
            len(self.sources.names),
            count,
        )
        with self.meter.stage("compile"), gc_paused(), ThreadPoolExecutor(1) as beside:
            forwards = beside.submit(self.ensemble.compile)
            slots = self.make_slots()
            forwards.result()
        for oracle in self.verification.oracles.unmatched:
            log.info(
                "%s: its classes are not known to be those of a source, so moves lead to the "
                "sources' own decisions alone; give labels=FILE if they are",
                oracle,
            )
        text = "compiled in %.0f s; %d images at once, %.1f GB on each device (%d)"
        seconds = time.perf_counter() - begin
        log.info(text, seconds, slots.total, slots.memory / 1e9, self.sources.mesh.size)
        self._slots = slots
        return slots

    def make_slots(self) -> Slots[ImageState]:
        """The running batch, empty; compiles its program."""
        return Slots(self.sources, self.settings, self.slots_per_device)

    def _jobs(
        self, items: Iterable[Item], threads: ThreadPoolExecutor, done: Done
    ) -> Iterator[Sequence[Job[ImageState]]]:
        for batch in self.intake.batches(items, threads):
            for failure in batch.failures:
                done(failure)
            if batch.jobs:
                yield batch.jobs


def _show(state: ImageState, small: Callable[[], Thumbnails | None], done: Done) -> None:
    """Tell of an image once its thumbnails are made."""
    state.thumbnails = small()
    done(state)
