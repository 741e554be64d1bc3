"""From jobs to adapted images: keeps the slots full, checks what comes out, puts failures back.

The device never waits for the host if it can be helped: images are prepared in one thread and
checked in others, while the caller's thread keeps the slots filled. What makes no gradient steps,
as most moves of a search for an oracle's answer, goes past the slots: others are to have them.
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
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.slots import Slots
from jaxanon.runtime import devices

CHECKS = 4
"""Checks at once where they wait for others' answers: each holds images, so there is a bound."""
Check = Callable[[Sequence[Adapted[K]]], Sequence[bool | Adapted[K]]]
"""Says of each image that came out of the loop whether it needs no further attempt; or, in place of
False, as what it is to go on: as it came out of the loop earlier."""


def stream(
    batches: Iterable[Sequence[Job[K]]], slots: Slots[K], check: Check[K], checks: int = 1
) -> Iterator[Adapted[K]]:
    """Adapt images as their turn comes; yields each once, in the order of completion.

    Args:
        batches: jobs, some at a time; drawn, in a thread of its own, while fewer images wait than
            there are slots.
        slots: the running batch, empty.
        check: asked about images that came out of the loop, up to the ensemble's batch at once;
            answers, per image, whether it needs no further attempt. Runs in threads of its own.
            What it refuses goes back, from where it stands, with a larger `confidence`,
            `settings.max_retries` times and while steps are left; after that it is yielded as it
            is.
        checks: how many checks may go on at once, such as `CHECKS`.
    """
    yield from Scheduler(batches, slots, check, checks).run()


class Scheduler(Generic[K]):
    """Where every image of a stream is: to be drawn, ready, in a slot, unchecked or being checked.

    Args:
        batches: jobs, see `stream`.
        slots: the running batch, see `stream`.
        check: asked about images that came out of the loop, see `stream`.
        checks: how many checks may go on at once.
    """

    def __init__(
        self, batches: Iterable[Sequence[Job[K]]], slots: Slots[K], check: Check[K], checks: int
    ) -> None:
        self._batches, self._slots, self._check = iter(batches), slots, check
        self._ready: deque[Attempt[K]] = deque()
        self._unchecked: deque[Finished[K]] = deque()
        self._checks = checks
        self._threads = ThreadPoolExecutor(1 + checks, thread_name_prefix="jaxanon")
        self._incoming: Future[Sequence[Attempt[K]] | None] | None = self._ask_for_jobs()
        self._checking: list[Future[list[tuple[Adapted[K], Attempt[K] | None]]]] = []

    def run(self) -> Iterator[Adapted[K]]:
        """Adapt all images; yields each once, in the order of completion."""
        try:
            while True:
                self._draw()
                yield from self._collect_checks()
                self._advance()
                self._submit_checks()
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
            if _makes_steps(attempt):
                self._ready.append(attempt)
            else:
                self._unchecked.append(_untouched(attempt))

    def _collect_checks(self) -> Iterator[Adapted[K]]:
        """Yield the images that need no further attempt, or get none; put the others back."""
        done = [check for check in self._checking if check.done()]
        self._checking = [check for check in self._checking if check not in done]
        for adapted, attempt in (answer for check in done for answer in check.result()):
            if attempt is None:
                yield adapted
            elif _makes_steps(attempt):
                self._ready.appendleft(attempt)
            else:
                self._unchecked.append(_untouched(attempt))

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

    def _submit_checks(self) -> None:
        """Have batches checked, or fewer images where nothing else is left for the device."""
        batch = self._slots.sources.batch
        starving = self._slots.free and not self._ready
        while self._unchecked and len(self._checking) < self._checks:
            if len(self._unchecked) < batch and not starving:
                return
            count = min(len(self._unchecked), batch)
            part = [self._unchecked.popleft() for _ in range(count)]
            settings = self._slots.settings
            self._checking.append(self._threads.submit(_checked, part, self._check, settings))

    def _wait(self) -> bool:
        """Wait for new jobs or for a check; returns whether there was anything to wait for."""
        drawn = None if self._crowded else self._incoming
        pending: list[Future[Any]] = [f for f in (drawn, *self._checking) if f]
        if pending:
            wait(pending, return_when=FIRST_COMPLETED)
        return bool(pending)


def _packed(batches: Iterator[Sequence[Job[K]]]) -> Sequence[Attempt[K]] | None:
    """The first attempts of the next jobs, packed for the device; None where there are no more."""
    jobs = next(batches, None)
    attempts = None if jobs is None else [Attempt(job, job.problem) for job in jobs]
    for attempt in attempts or ():
        if _makes_steps(attempt):
            _ = attempt.packed
    return attempts


def _makes_steps(attempt: Attempt[K]) -> bool:
    """Whether an image needs a slot."""
    return not attempt.job.fixed and bool(np.asarray(attempt.problem.steps) > 0)


def _untouched(attempt: Attempt[K]) -> Finished[K]:
    """An image that needs no slot, as it would come out of one."""
    start = np.zeros(LAYOUT, np.int16) if attempt.start is None else attempt.start
    return Finished(attempt, start[None], np.zeros(1, np.int32))


def _checked(
    part: Sequence[Finished[K]], check: Check[K], settings: Settings
) -> list[tuple[Adapted[K], Attempt[K] | None]]:
    """Fetch what the device made, and have it checked; each with what follows, if anything does."""
    arrays = jax.device_get([(finished.levels, finished.steps) for finished in part])
    adapted = [
        Adapted(finished.attempt, levels[finished.row], int(steps[finished.row]))
        for finished, (levels, steps) in zip(part, arrays, strict=True)
    ]
    said = zip(adapted, check(adapted), strict=True)
    return [(each, _what_follows(each, answer, settings)) for each, answer in said]


def _what_follows(
    adapted: Adapted[K], said: bool | Adapted[K], settings: Settings
) -> Attempt[K] | None:
    """The next attempt, by what a check has said; None where there is none."""
    if said is True:
        return None
    return next_attempt(adapted, settings, adapted if said is False else said)
