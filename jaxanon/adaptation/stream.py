"""From jobs to adapted images: keeps the slots full, checks what comes out, puts failures back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jaxanon.adaptation.problem import Job
from jaxanon.adaptation.slots import Slots


@dataclass(frozen=True)
class Adapted:
    """An image that came out of the loop.

    Attributes:
        job: what went in.
        image: adapted, `(H, W, 3)` uint8.
        steps: gradient steps made, over all rounds.
        rounds: times it had been put back.
        delta: the perturbation on the canvas, from which a further round starts.
    """

    job: Job
    image: np.ndarray
    steps: int
    rounds: int
    delta: np.ndarray


Check = Callable[[Sequence[Adapted]], Sequence[bool]]


def stream(jobs: Iterable[Job], slots: Slots, check: Check) -> Iterator[Adapted]:
    """Adapt images as their turn comes; yields each once, in the order of completion.

    Args:
        jobs: drawn one by one, whenever a slot is free.
        slots: the running batch, empty.
        check: told what came out of the loop, up to the ensemble's batch at once; answers, per
            image, whether it is fine. What is not goes back, from where it stands, with a larger
            margin, for `settings.rounds` rounds and while steps are left; after that it is yielded
            as it is.
    """
    settings = slots.settings
    waiting = iter(jobs)
    again: deque[Adapted] = deque()
    history: dict[int, Adapted] = {}
    unchecked: list[Adapted] = []
    more = True
    while True:
        while slots.free and (again or more):
            if again:
                last = again.popleft()
                history[id(last.job)] = last
                margin = settings.margin + settings.margin_step * (last.rounds + 1)
                slots.put(last.job, margin, settings.steps - last.steps, last.delta)
            else:
                job = next(waiting, None)
                more = job is not None
                if job is not None:
                    slots.put(job, settings.margin, settings.steps)
        if slots.busy:
            for job, delta, steps in slots.advance():
                before = history.pop(id(job), None)
                unchecked.append(
                    Adapted(
                        job,
                        job.canvas.add(job.pixels, delta),
                        steps + (before.steps if before else 0),
                        before.rounds + 1 if before else 0,
                        delta,
                    )
                )
        batch = slots.sources.batch
        if len(unchecked) >= batch or not slots.busy:
            part, unchecked = unchecked[:batch], unchecked[batch:]
            for item, fine in zip(part, check(part) if part else [], strict=True):
                spent = item.rounds >= settings.rounds or item.steps >= settings.steps
                if fine or spent:
                    yield item
                else:
                    again.append(item)
        if not (more or again or slots.busy or unchecked):
            return
