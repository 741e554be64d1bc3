"""From jobs to adapted images: keeps the slots full, checks what comes out, puts failures back.

The device never waits for the host if it can be helped: images are prepared in one thread and
checked in another, while the caller's thread keeps the slots filled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Generic

import jax
import numpy as np

from jaxanon.adaptation.attempt import Adapted, Attempt, Finished, next_attempt
from jaxanon.adaptation.problem import LAYOUT, Job, K
from jaxanon.adaptation.slots import Slots
from jaxanon.runtime import devices

Check = Callable[[Sequence[Adapted[K]]], Sequence[bool | Adapted[K]]]
"""Says of each image that came out of the loop whether it needs no further attempt; or, in place of
False, as what it is to go on: as it came out of the loop earlier."""


def stream(
    batches: Iterable[Sequence[Job[K]]], slots: Slots[K], check: Check[K]
) -> Iterator[Adapted[K]]:
    """Adapt images as their turn comes; yields each once, in the order of completion.

    Args:
        batches: jobs, some at a time; drawn, in a thread of its own, while fewer images wait than
            there are slots.
        slots: the running batch, empty.
        check: asked about images that came out of the loop, up to the ensemble's batch at once;
            answers, per image, whether it needs no further attempt. Runs in a thread of its own.
            What it refuses goes back, from where it stands, with a larger `confidence`,
            `settings.max_retries` times and while steps are left; after that it is yielded as it
            is.
    """
    yield from Scheduler(batches, slots, check).run()


class Scheduler(Generic[K]):
    """Where every image of a stream is: to be drawn, ready, in a slot, unchecked or being checked.

    Args:
        batches: jobs, see `stream`.
        slots: the running batch, see `stream`.
        check: asked about images that came out of the loop, see `stream`.
    """

    def __init__(
        self, batches: Iterable[Sequence[Job[K]]], slots: Slots[K], check: Check[K]
    ) -> None:
        self._batches, self._slots, self._check = iter(batches), slots, check
        self._ready: deque[Attempt[K]] = deque()
        self._unchecked: deque[Finished[K]] = deque()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="jaxanon")
        self._incoming: Future[Sequence[Attempt[K]] | None] | None = self._ask_for_jobs()
        self._checking: Future[list[tuple[Adapted[K], bool | Adapted[K]]]] | None = None

    def run(self) -> Iterator[Adapted[K]]:
        """Adapt all images; yields each once, in the order of completion."""
        try:
            while True:
                self._draw()
                yield from self._collect_checks()
                self._advance()
                self._submit_check()
                if not self._slots.busy and not self._ready and not self._wait():
                    return
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)
            if hasattr(self._batches, "close"):
                self._batches.close()

    @property
    def _crowded(self) -> bool:
        """Whether so many wait for a check that those which need no slot must not join them."""
        return len(self._unchecked) >= 2 * self._slots.sources.batch

    def _ask_for_jobs(self) -> Future[Sequence[Attempt[K]] | None]:
        return self._threads.submit(_packed, self._batches)

    def _draw(self) -> None:
        """Take over the jobs that have been drawn, if there is room, and ask for more."""
        room = len(self._ready) < self._slots.total and not self._crowded
        if not (self._incoming and self._incoming.done() and room):
            return
        attempts = self._incoming.result()
        self._incoming = None if attempts is None else self._ask_for_jobs()
        for attempt in attempts or ():
            if attempt.job.fixed:
                self._unchecked.append(_untouched(attempt))
            else:
                self._ready.append(attempt)

    def _collect_checks(self) -> Iterator[Adapted[K]]:
        """Yield the images that need no further attempt, or get none; put the others back."""
        if not (self._checking and self._checking.done()):
            return
        for adapted, said in self._checking.result():
            stand = adapted if isinstance(said, bool) else said
            done = said is True
            attempt = None if done else next_attempt(adapted, self._slots.settings, stand.levels)
            if attempt is None:
                yield adapted
            else:
                self._ready.appendleft(attempt)
        self._checking = None

    def _advance(self) -> None:
        """Fill the slots and let them run; with half of them once memory runs out."""
        slots, ready = self._slots, self._ready
        try:
            slots.fill(ready)
            if not slots.free:
                slots.sources.meter.steady()
            self._unchecked.extend(slots.advance())
        except jax.errors.JaxRuntimeError as error:
            if not devices.out_of_memory(error):
                raise
            ready.extendleft(reversed(slots.halve()))

    def _submit_check(self) -> None:
        """Have a batch checked, or fewer images where nothing else is left for the device."""
        batch = self._slots.sources.batch
        starving = self._slots.free and not self._ready
        enough = len(self._unchecked) >= batch or (self._unchecked and starving)
        if self._checking is None and enough:
            count = min(len(self._unchecked), batch)
            part = [self._unchecked.popleft() for _ in range(count)]
            self._checking = self._threads.submit(_checked, part, self._check)

    def _wait(self) -> bool:
        """Wait for new jobs or for a check; returns whether there was anything to wait for."""
        drawn = None if self._crowded else self._incoming
        pending: list[Future[Any]] = [f for f in (drawn, self._checking) if f]
        if pending:
            wait(pending, return_when=FIRST_COMPLETED)
        return bool(pending)


def _packed(batches: Iterator[Sequence[Job[K]]]) -> Sequence[Attempt[K]] | None:
    """The first attempts of the next jobs, packed for the device; None where there are no more."""
    jobs = next(batches, None)
    attempts = None if jobs is None else [Attempt(job, job.problem) for job in jobs]
    for attempt in attempts or ():
        if not attempt.job.fixed:
            _ = attempt.packed
    return attempts


def _untouched(attempt: Attempt[K]) -> Finished[K]:
    """An image that needs no slot, as it would come out of one."""
    return Finished(attempt, np.zeros((1, *LAYOUT), np.int16), np.zeros(1, np.int32))


def _checked(
    part: Sequence[Finished[K]], check: Check[K]
) -> list[tuple[Adapted[K], bool | Adapted[K]]]:
    """Fetch what the device made, and have it checked."""
    arrays = jax.device_get([(finished.levels, finished.steps) for finished in part])
    adapted = [
        Adapted(finished.attempt, levels[finished.row], int(steps[finished.row]))
        for finished, (levels, steps) in zip(part, arrays, strict=True)
    ]
    return list(zip(adapted, check(adapted), strict=True))
