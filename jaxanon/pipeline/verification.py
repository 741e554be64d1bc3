"""Verify, then say: what the loop made is saved, read back, and put before every classifier."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from jaxanon.adaptation.attempt import Adapted
from jaxanon.adaptation.search import Hints
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.decided import noted
from jaxanon.classifiers.ensemble import Views
from jaxanon.classifiers.outside.panel import Panel
from jaxanon.errors import ImageError
from jaxanon.metrics import difference
from jaxanon.pipeline.cap import Cap
from jaxanon.pipeline.item import Failure, ImageState
from jaxanon.pipeline.minimising import Minimiser
from jaxanon.pipeline.oracles import Oracles
from jaxanon.pipeline.record import Record, Score
from jaxanon.pipeline.saving import Saved, Saver
from jaxanon.runtime.meter import Meter


class Verification:
    """Saves what the loop made beside its place, and finds out what it has become.

    Args:
        panel: all classifiers, the sources first.
        num_sources: how many of them are sources.
        settings: options of the loop.
        form: `png`, `jpeg` or `webp`.
        cap: the highest score that a saved image may have, if there is a bound.
        meter: counts how long the host's work takes, by stage.
        oracles: classifiers that must keep their reference decisions too, and give no gradients.
    """

    def __init__(
        self,
        panel: Panel,
        num_sources: int,
        settings: Settings,
        form: str,
        cap: Cap | None,
        meter: Meter,
        oracles: Sequence[str] = (),
    ) -> None:
        self.panel, self.num_sources, self.settings = panel, num_sources, settings
        self.cap, self.saver = cap, Saver(panel, form, meter)
        self.oracles = Oracles(panel.names[:num_sources], oracles, panel.classes, panel.keep)
        self._sources = panel.inside.first(num_sources)

    def check(
        self, adapted: Sequence[Adapted[ImageState]], threads: ThreadPoolExecutor
    ) -> list[bool | Adapted[ImageState]]:
        """Save images beside their places and verify them; which need no further attempt.

        What they have become is noted in their states. An image that could not be written gets a
        failure there, and needs none either.
        """
        if self.settings.minimise:
            adapted = self._minimised(adapted, threads)
        saved = list(threads.map(self.saver.save, adapted))
        read = [(image, file) for image, file in zip(adapted, saved, strict=True) if file]
        scores = self.panel.ask([file.shown for _, file in read])
        settled = {
            id(image): self._settle(image, file, scores.of(place), scores.failures.get(place))
            for place, (image, file) in enumerate(read)
        }
        return [settled.get(id(image), True) for image in adapted]

    def _minimised(
        self, adapted: Sequence[Adapted[ImageState]], threads: ThreadPoolExecutor
    ) -> list[Adapted[ImageState]]:
        """The images with as small a change as their sources' decisions allow."""

        def look(image: Adapted[ImageState]) -> Views | None:
            written = self.saver.write(image)
            return self._sources.look(written[1]) if written else None

        def look_at(images: Sequence[Adapted[ImageState]]) -> list[Views | None]:
            return list(threads.map(look, images))

        return Minimiser(self._sources, self.settings, look_at)(adapted)

    def finish(self, state: ImageState) -> ImageState:
        """The state of an image that left the loop, with the record that counts.

        Where one verification had it kept and later steps lost it, it is the former that counts,
        and its file is put back beside its place.
        """
        best, reached = state.best, state.saved and state.saved.status == self.settings.success
        if state.failure is None and state.saved and best and not reached:
            saved = state.saved
            record = replace(
                best.record, queries=saved.queries, steps=saved.steps, error=saved.error
            )
            self._put_back(state, record, best.data)
        if state.failure is not None or state.saved is None or state.allowed is None:
            return state
        allowed, data = state.allowed
        if state.saved.status != allowed.status == self.settings.success:
            self._put_back(state, allowed, data)
        return state

    def _settle(
        self,
        adapted: Adapted[ImageState],
        file: Saved,
        logits: Sequence[np.ndarray],
        failure: str | None,
    ) -> bool | Adapted[ImageState]:
        """Note what an image has become, or go back to what it was; whether it is to stay so.

        Where it is to go on as it was, that.

        Args:
            adapted: the image as it came out of the loop.
            file: what was saved of it.
            logits: every classifier's scores on that.
            failure: why one of them has none, if so.
        """
        state = adapted.job.key
        if failure is not None:
            state.failure = Failure(state.item, f"{state.item.input.name}: {failure}")
            return True
        record = self._record(adapted, file, logits)
        reached = record.status == self.settings.success
        if self.cap and record.score and record.score["adapted"] > self.cap.limit:
            self._go_back(adapted, record, self.cap)
            return True
        state.saved = record
        if self.cap and (reached or state.allowed is None or state.allowed[0].status == "partly"):
            state.allowed = record, file.data
        if self.oracles and not reached:
            return self._searched(adapted, record, file.data, logits)
        # With oracles it ends as soon as they agree: further steps might lead away again.
        goes_on = self.settings.verify_every and self.settings.spends_all and not self.oracles
        return bool(reached and not goes_on)

    def _searched(
        self,
        adapted: Adapted[ImageState],
        record: Record,
        data: bytes,
        logits: Sequence[np.ndarray],
    ) -> Adapted[ImageState]:
        """The image to go on from: the one that pleased sources and oracles best so far."""
        state = adapted.job.key
        scores = {
            name: self.panel.keep.scores(row, classes)
            for (name, classes), row in zip(self.panel.classes.items(), logits, strict=True)
        }
        state.best = self.oracles.better(state.best, adapted.levels, record, data, scores)
        # The loss `soft` leads to probabilities, whatever the decisions.
        soft = self.settings.needs_soft_labels
        aims = () if soft else self.oracles.aims(record.decisions)
        hints = Hints(self.oracles.gave_labels_alone(scores), aims)
        return replace(adapted, levels=state.best.levels, hints=hints)

    def _go_back(self, adapted: Adapted[ImageState], over: Record, cap: Cap) -> None:
        """Put back what the cap allowed: an earlier file, or the anonymized image.

        That is the last one; of a search the best one, with what all of it has spent.
        """
        state = adapted.job.key
        if state.allowed is None:
            state.allowed = self._unchanged(adapted, cap)
        if state.allowed is None:
            return
        record, data = (state.best.record, state.best.data) if state.best else state.allowed
        assert over.score is not None
        reason = (
            f"after {over.steps} steps the score {over.score['adapted']:.3f} was above the cap "
            f"{cap.limit:g}; this is the image after {record.steps} (--set verify_every=N "
            "with a smaller N verifies more often)"
        )
        record = replace(record, error=reason)
        if over.queries is not None:
            # Where there is no earlier file, the anonymized image was one more to ask about.
            asked = over.queries + (state.best is None)
            record = replace(record, steps=over.steps, queries=asked)
        self._put_back(state, record, data)

    def _unchanged(self, adapted: Adapted[ImageState], cap: Cap) -> tuple[Record, bytes] | None:
        """Record and bytes of the anonymized image, saved as it is; None where it fails."""
        state = adapted.job.key
        unchanged = Adapted.unchanged(adapted.job)
        file = self.saver.save(unchanged)
        if file is None:
            return None
        scores = self.panel.ask([file.shown])
        if scores.failures:
            name = state.item.input.name
            state.failure = Failure(state.item, f"{name}: {scores.failures[0]}")
            return None
        record = self._record(unchanged, file, scores.of(0))
        if record.score and record.score["adapted"] > cap.limit:
            name = state.item.input.name
            text = f"the anonymized image, saved as {self.saver.form}, scores above --cap"
            state.failure = Failure(state.item, f"{name}: {text} {cap.limit:g}; hide more")
            return None
        return record, file.data

    def _put_back(self, state: ImageState, record: Record, data: bytes) -> None:
        """Write an earlier file beside its place again."""
        try:
            state.item.output.write_part(data)
        except ImageError as error:
            state.failure = Failure.from_error(state.item, error)
        else:
            state.saved = record

    def _record(
        self, adapted: Adapted[ImageState], file: Saved, logits: Sequence[np.ndarray]
    ) -> Record:
        """What a saved file is like; `logits` are every classifier's on it."""
        state = adapted.job.key
        wanted = adapted.job.problem.decisions
        decided = self.panel.decide(logits[: self.num_sources])
        reached = self.settings.reached(decided, wanted).all()
        baseline, hiding = state.baseline.decisions, state.baseline.hiding
        rows = {
            name: noted(baseline[name], "adapted", row, self.panel.keep, classes)
            for (name, classes), row in zip(self.panel.classes.items(), logits, strict=True)
        }
        reached &= self.oracles.agree(rows)
        linf, psnr = difference(file.pixels, adapted.job.pixels)
        return Record(
            input=state.item.input.name,
            output=state.item.output.location,
            status=self.settings.success if reached else "partly",
            steps=adapted.steps,
            linf=linf,
            psnr=psnr,
            decisions=rows,
            view=state.item.view,
            partner=state.item.partner.name if state.item.partner else None,
            regions=state.baseline.regions,
            error=hiding.note if hiding else None,
            score=self._score(state, file, logits),
            private=round(hiding.private, 6) if hiding else None,
            changed=round(hiding.changed, 6) if hiding else None,
            queries=adapted.attempt.checks + 1 if self.oracles else None,
            sha256=hashlib.sha256(file.data).hexdigest(),
        )

    def _score(self, state: ImageState, file: Saved, logits: Sequence[np.ndarray]) -> Score | None:
        """The judge's scores before and after; None without a cap, or with nothing to judge."""
        baseline = state.baseline
        if self.cap is None or baseline.reference is None or baseline.score is None:
            return None
        now = self.cap.score(baseline.reference, file.pixels, logits)
        return None if now is None else {"anonymized": baseline.score, "adapted": now}
