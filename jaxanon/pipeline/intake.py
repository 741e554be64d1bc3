"""The way in: images are read and anonymized, classifiers asked, and the loop's jobs stated.

The originals' pixels end here: what goes on is the anonymized image and the decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from jaxanon.adaptation.problem import Job, prepare
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.ensemble import PIXELS_AT_ONCE, Ensemble, Views
from jaxanon.errors import ImageError
from jaxanon.io.files import discard, write
from jaxanon.io.images import count_pixels, encode
from jaxanon.metrics import softmax
from jaxanon.pipeline.cap import Cap, Memory
from jaxanon.pipeline.item import Item
from jaxanon.pipeline.verification import Known
from jaxanon.runtime import workers


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


class Intake:
    """States the jobs of a run.

    Args:
        everyone: all classifiers, the sources first.
        sources: those that are adapted to.
        settings: options of the loop.
        target_class: the class that sources are to see, where the goal is to `reach` one.
        cap: on how well a saved image may still lead to its original.
        known: gets what is known of each image, by its key, for those who verify.
        fail: told of an image that cannot be read, or must not be adapted.
    """

    def __init__(
        self,
        everyone: Ensemble,
        sources: Ensemble,
        settings: Settings,
        target_class: int | None,
        cap: Cap | None,
        known: dict[str, Known],
        fail: Callable[[Item, Exception], None],
    ) -> None:
        self.everyone, self.sources, self.settings = everyone, sources, settings
        self.target_class, self.cap, self.known, self.fail = target_class, cap, known, fail

    def jobs(self, items: Sequence[Item], threads: ThreadPoolExecutor) -> Iterator[list[Job]]:
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
            with self.everyone.meter.stage("read and anonymize"):
                loaded = item.load()
            for place, pixels in (
                (item.anonymized_output, loaded.anonymized),
                (item.low_output, loaded.low),
            ):
                if place is not None and pixels is not None:
                    with self.everyone.meter.stage("encode and write"):
                        write(place, encode(pixels, "png"), overwrite=item.overwrite_anonymized)
            with self.everyone.meter.stage("resize for the classifiers"):
                original = self.everyone.look(loaded.original)
                anonymized = self.everyone.look(loaded.anonymized)
            memory = self.cap.faces(loaded.original, loaded.boxes) if self.cap else None
        except (ImageError, MemoryError) as error:
            self.fail(item, error)
            return None
        kept = None if loaded.boxes is None else len(loaded.boxes), memory
        return _Seen(item, *kept, loaded.anonymized, loaded.mask, original, anonymized)

    def _decide(self, batch: Sequence[_Seen], threads: ThreadPoolExecutor) -> list[Job]:
        """Ask every classifier about originals and anonymized images, and state the jobs."""
        scores = self.everyone.logits_from_views([seen.original for seen in batch])
        after = self.everyone.logits_from_views([seen.anonymized for seen in batch])
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
            self.known[seen.item.key] = known
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
        wanted = (
            reference[:count] if self.target_class is None else np.full(count, self.target_class)
        )
        soft = self.settings.loss == "soft"
        score = self.known[seen.item.key].score
        if self.cap and score is not None and score > self.cap.limit:
            text = (
                f"{seen.item.input}: the anonymized image itself scores {score:.3f}, above the cap "
                f"{self.cap.limit:g}; hide more, or raise --cap"
            )
            for place in (seen.item.anonymized_output, seen.item.low_output):
                if place is not None:
                    discard(place)
            self.fail(seen.item, ImageError(text))
            return None
        try:
            with self.everyone.meter.stage("prepare for the loop"):
                return prepare(
                    seen.item,
                    seen.pixels,
                    wanted,
                    self.sources,
                    self.settings,
                    mask=seen.mask,
                    views=seen.anonymized[:count],
                    soft_labels=[softmax(logits) for logits in scores] if soft else None,
                )
        except MemoryError as error:
            self.fail(seen.item, error)
            return None
