"""The way in: images are read and anonymized, classifiers asked, and the loop's jobs stated.

The originals' pixels end here: what goes on is the anonymized image and the decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jaxanon.adaptation.problem import Job, prepare
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.decided import Decisions, noted
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.outside.panel import Panel, Viewed
from jaxanon.errors import ImageError
from jaxanon.io.images import count_pixels, encode
from jaxanon.io.results import write_result
from jaxanon.metrics import softmax
from jaxanon.pipeline.cap import Cap, Reference
from jaxanon.pipeline.hiding import Hiding
from jaxanon.pipeline.item import Baseline, Failure, ImageState, Item, LoadedImage
from jaxanon.runtime import workers
from jaxanon.runtime.meter import Meter


class _ViewedImage(NamedTuple):
    """An image that every classifier has seen; of the original, what they see of it alone.

    Where the device resizes, its views hold the pixels until it has.

    Attributes:
        item: the image.
        anonymized: `(H, W, 3)` uint8.
        mask: `(H, W)` bool, where pixels may change; None is everywhere.
        regions: number of private boxes; None where no boxes were looked for.
        hiding: what was private, and by which saved files are told to hide it, if anything is.
        reference: what the judge of a cap keeps of the original's faces.
        original_views: the original, as the classifiers get it.
        anonymized_views: the anonymized image, as they get it.
    """

    item: Item
    anonymized: np.ndarray
    mask: np.ndarray | None
    regions: int | None
    hiding: Hiding | None
    reference: Reference | None
    original_views: Viewed
    anonymized_views: Viewed


@dataclass(frozen=True)
class Batch:
    """What became of some images on their way in.

    Attributes:
        jobs: those to be adapted.
        failures: those that cannot be.
    """

    jobs: Sequence[Job[ImageState]]
    failures: Sequence[Failure]


class Intake:
    """Turns the items of a run into jobs for the loop.

    Args:
        panel: all classifiers, the sources first.
        sources: those that are adapted to.
        settings: options of the loop.
        target_classes: per source the class that it is to see, where the goal is to `reach` one.
        cap: the highest score that a saved image may have, if there is a bound.
        meter: counts how long the host's work takes, by stage.
    """

    def __init__(
        self,
        panel: Panel,
        sources: Ensemble,
        settings: Settings,
        target_classes: Sequence[int] | None,
        cap: Cap | None,
        meter: Meter,
    ) -> None:
        self.panel, self.sources, self.settings = panel, sources, settings
        self.target_classes, self.cap, self.meter = target_classes, cap, meter

    def batches(self, items: Iterable[Item], threads: ThreadPoolExecutor) -> Iterator[Batch]:
        """The jobs, batch by batch, and the images that cannot be read or must not be adapted.

        A batch ends early at `workers.PIXELS_AT_ONCE`, to bound the memory.
        """
        size = self.panel.batch
        held = 2 if self.panel.inside.resize_on == "device" else 1  # the original, too
        viewed = workers.ahead(
            self.view, items, threads, 2 * size, lambda item: held * count_pixels(item.input),
            workers.PIXELS_AT_ONCE,
        )  # fmt: skip
        waiting: list[_ViewedImage] = []
        for image in viewed:
            if isinstance(image, Failure):
                yield Batch([], [image])
                continue
            waiting.append(image)
            pixels = held * sum(one.anonymized[..., 0].size for one in waiting)
            if len(waiting) == size or pixels >= workers.PIXELS_AT_ONCE:
                batch = self.decide(waiting, threads)
                waiting = []
                del image  # nothing of an original waits for the next call
                yield batch
        if waiting:
            yield self.decide(waiting, threads)

    def view(self, item: Item) -> _ViewedImage | Failure:
        """Load an image and let every classifier see it; the original's pixels end here.

        Where the device resizes, they end with the decisions on them (`decide`).
        """
        try:
            with self.meter.stage("read and anonymize"):
                loaded = item.load()
            self._save_extras(item, loaded)
            with self.meter.stage("resize for the classifiers"):
                private = loaded.hiding is not None
                original_views = self.panel.look(loaded.original, private=private)
                anonymized_views = self.panel.look(loaded.anonymized)
            reference = self.cap.reference(loaded.original, loaded.boxes) if self.cap else None
        except (ImageError, MemoryError) as error:
            return Failure.from_error(item, error)
        regions = None if loaded.boxes is None else len(loaded.boxes)
        return _ViewedImage(
            item,
            loaded.anonymized,
            loaded.mask,
            regions,
            loaded.hiding,
            reference,
            original_views,
            anonymized_views,
        )

    def _save_extras(self, item: Item, loaded: LoadedImage) -> None:
        """Save what is wanted besides the adapted image."""
        for place, pixels in (
            (item.anonymized_output, loaded.anonymized),
            (item.low_output, loaded.low),
        ):
            if place is not None and pixels is not None:
                with self.meter.stage("encode and write"):
                    write_result(place, encode(pixels, "png"))

    def decide(self, images: Sequence[_ViewedImage], threads: ThreadPoolExecutor) -> Batch:
        """Ask every classifier about originals and anonymized images, and state the jobs."""
        on_originals = self.panel.ask([one.original_views for one in images])
        on_anonymized = self.panel.ask(
            [one.anonymized_views for one in images], on_originals.failures
        )

        def state_job(index: int) -> Job[ImageState] | Failure:
            if reason := on_anonymized.failures.get(index):
                return _given_up(images[index].item, f"{images[index].item.input.name}: {reason}")
            return self._state_job(images[index], on_originals.of(index), on_anonymized.of(index))

        stated = list(threads.map(state_job, range(len(images))))
        return Batch(
            [job for job in stated if not isinstance(job, Failure)],
            [failure for failure in stated if isinstance(failure, Failure)],
        )

    def _state_job(
        self,
        image: _ViewedImage,
        on_original: Sequence[np.ndarray],
        on_anonymized: Sequence[np.ndarray],
    ) -> Job[ImageState] | Failure:
        """State a job, from what the sources see in the original: no more of that than is asked.

        Args:
            image: the image.
            on_original: per classifier its logits on the original, `(classes,)`.
            on_anonymized: per classifier its logits on the anonymized image, `(classes,)`.
        """
        item, count = image.item, len(self.sources.names)
        baseline = self._baseline(image, on_original, on_anonymized)
        if self.cap and baseline.score is not None and baseline.score > self.cap.limit:
            text = (
                f"{item.input.name}: the anonymized image itself scores {baseline.score:.3f}, "
                f"above the cap {self.cap.limit:g}; hide more, or raise --cap"
            )
            return _given_up(item, text)
        if self.target_classes is None:
            wanted = self.panel.decide(on_original[:count])
        else:
            wanted = np.array(self.target_classes)
        try:
            with self.meter.stage("prepare for the loop"):
                job = prepare(
                    ImageState(item, baseline),
                    image.anonymized,
                    wanted,
                    self.sources,
                    self.settings,
                    mask=image.mask,
                    views=image.anonymized_views.views,
                )
        except MemoryError as error:
            return Failure.from_error(item, error)
        if not self.settings.needs_soft_labels:
            return job
        return job.with_soft_labels([softmax(logits) for logits in on_original[:count]])

    def _baseline(
        self,
        image: _ViewedImage,
        on_original: Sequence[np.ndarray],
        on_anonymized: Sequence[np.ndarray],
    ) -> Baseline:
        """What is known of an image before it is adapted."""
        keep, decisions = self.panel.keep, Decisions()
        known = self.panel.classes.items()
        for (name, classes), before, after in zip(known, on_original, on_anonymized, strict=True):
            row = noted({}, "reference", before, keep, classes)
            decisions[name] = noted(row, "anonymized", after, keep, classes)
        if self.cap is None or image.reference is None:
            return Baseline(decisions, image.regions, hiding=image.hiding)
        reference = self.cap.with_logits(image.reference, on_original)
        score = self.cap.score(reference, image.anonymized, on_anonymized)
        return Baseline(decisions, image.regions, reference, score, image.hiding)


def _given_up(item: Item, reason: str) -> Failure:
    """The failure of an image, of which nothing is to be left."""
    for place in item.extra_outputs:
        place.discard()
    return Failure(item, reason)
