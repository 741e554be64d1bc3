"""From jobs to adapted images: keeps the slots full, checks what comes out, puts failures back.

The device never waits for the host if it can be helped: images are prepared in one thread and
checked in another, while this one keeps the slots filled.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from jaxanon.adaptation.problem import LAYOUT, Job, final_steps_of
from jaxanon.adaptation.slots import Attempt, Finished, Slots
from jaxanon.runtime import devices


@dataclass(frozen=True, eq=False)
class Adapted:
    """An image that came out of the loop.

    Attributes:
        job: what went in.
        levels: the perturbation on the canvas, `(canvas, 3, canvas)` int16.
        steps: gradient steps made, over all attempts.
        retries: times it had been put back, as it failed its check.
        spent: whether it made all steps of its attempt.
        checks: that it had before.
    """

    job: Job
    levels: np.ndarray
    steps: int
    retries: int
    spent: bool = False
    checks: int = 0

    @cached_property
    def image(self) -> np.ndarray:
        """The adapted image, `(H, W, 3)` uint8."""
        return self.job.canvas.add(self.job.pixels, self.levels.swapaxes(1, 2))


Check = Callable[[Sequence[Adapted]], Sequence[bool]]


def stream(batches: Iterable[Sequence[Job]], slots: Slots, check: Check) -> Iterator[Adapted]:
    """Adapt images as their turn comes; yields each once, in the order of completion.

    Args:
        batches: of jobs; drawn, in a thread of its own, while fewer wait than there are slots.
        slots: the running batch, empty.
        check: told what came out of the loop, up to the ensemble's batch at once; answers, per
            image, whether it is fine. Runs in a thread of its own. What is not fine goes back,
            from where it stands, with a larger `confidence`, `settings.max_retries` times and while
            steps are left; after that it is yielded as it is.
    """
    source = iter(batches)
    threads = ThreadPoolExecutor(2, thread_name_prefix="jaxanon")
    incoming: Future[Sequence[Job] | None] | None = threads.submit(next, source, None)
    checking: Future[list[tuple[Adapted, bool]]] | None = None
    ready: deque[Attempt] = deque()
    unchecked: deque[Finished] = deque()
    crowd = 2 * slots.sources.batch  # what passes by the slots must not pile up before the check
    try:
        while True:
            room = len(ready) < slots.total and len(unchecked) < crowd
            if incoming and incoming.done() and room:
                jobs = incoming.result()
                incoming = None if jobs is None else threads.submit(next, source, None)
                ready.extend(Attempt(job, job.problem) for job in jobs or () if not job.fixed)
                unchecked.extend(_untouched(job) for job in jobs or () if job.fixed)
            if checking and checking.done():
                for item, fine in checking.result():
                    again = None if fine else _again(item, slots)
                    if again is None:
                        yield item
                    else:
                        ready.appendleft(again)
                checking = None
            unchecked.extend(_advance(slots, ready))
            starving = slots.free and not ready
            if (
                checking is None
                and unchecked
                and (len(unchecked) >= slots.sources.batch or starving)
            ):
                part = [
                    unchecked.popleft() for _ in range(min(len(unchecked), slots.sources.batch))
                ]
                checking = threads.submit(_checked, part, check)
            if not slots.busy and not ready:
                drawn = incoming if len(unchecked) < crowd else None
                pending: list[Future[Any]] = [f for f in (drawn, checking) if f]
                if not pending:
                    return
                wait(pending, return_when=FIRST_COMPLETED)
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
        if hasattr(source, "close"):
            source.close()


def _untouched(job: Job) -> Finished:
    """What needs no slot, as it would come out of one."""
    return Finished(
        Attempt(job, job.problem), np.zeros((1, *LAYOUT), np.int16), np.zeros(1, np.int32)
    )


def _advance(slots: Slots, ready: deque[Attempt]) -> list[Finished]:
    """Fill the slots and let them run; with half of them once memory runs out."""
    try:
        while slots.free and ready:
            slots.put(ready[0])
            ready.popleft()
        if not slots.free:
            slots.sources.meter.steady()
        return slots.advance()
    except jax.errors.JaxRuntimeError as error:
        if not devices.out_of_memory(error):
            raise
        ready.extendleft(reversed(slots.halve()))
        return []


def _checked(part: Sequence[Finished], check: Check) -> list[tuple[Adapted, bool]]:
    """Fetch what the device made, and have it checked."""
    made = jax.device_get([(item.levels, item.steps) for item in part])
    adapted = [
        Adapted(
            item.attempt.job,
            levels,
            int(steps) + item.attempt.steps,
            item.attempt.retries,
            spent=int(steps) >= int(np.asarray(item.attempt.problem.steps)),
            checks=item.attempt.checks,
        )
        for item, ((levels,), (steps,)) in zip(part, made, strict=True)
    ]
    return list(zip(adapted, check(adapted), strict=True))


def _again(item: Adapted, slots: Slots) -> Attempt | None:
    """A further attempt for what failed its check; None where retries or steps are spent.

    Where there are final steps, it consists of them: random transforms would lead away again. What
    has merely come to the end of `verify_every` steps goes on with as many more.
    """
    settings = slots.settings
    left = settings.steps - item.steps
    onwards = bool(settings.verify_every) and (item.spent or settings.spends_all)
    if item.job.fixed or left <= 0 or (item.retries >= settings.max_retries and not onwards):
        return None
    if item.checks + 1 >= settings.max_verifications:
        return None  # as many as the guarantee counts on
    left = settings.steps_to_verification(left)
    retries, seed = item.retries + 1, item.retries + 1  # other transforms
    final = unconditional = np.int32(left if settings.final_fraction else 0)
    if onwards:
        retries, seed = item.retries, item.steps << 8
        final, unconditional = final_steps_of(settings, left)
    problem = item.job.problem._replace(
        confidence=np.float32(settings.confidence + settings.confidence_step * retries),
        steps=np.int32(left),
        seed=np.asarray(item.job.problem.seed, np.uint32) ^ np.uint32(seed),
        final_steps=final,
        unconditional_steps=unconditional,
    )
    return Attempt(item.job, problem, item.levels, item.steps, retries, item.checks + 1)
