"""An image on its way through the loop: what is asked of it, what came out, and what comes next.

Three records, each holding the one before it: an `Attempt` goes into a slot, comes out `Finished`,
with arrays that may still be on the device, and is `Adapted` once they are fetched. Where its saved
file fails verification, a further `Attempt` begins where that one ended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic

import numpy as np
from jax import Array

from jaxanon.adaptation.packing import Packed, pack
from jaxanon.adaptation.problem import LAYOUT, Job, K, Problem, final_steps_of
from jaxanon.adaptation.search import NO_HINTS, Hints, Questions, next_move
from jaxanon.adaptation.settings import Settings


@dataclass(frozen=True, eq=False)
class Attempt(Generic[K]):
    """An image with what is asked of it this time.

    Attributes:
        job: the image.
        problem: the image as the loop sees it, with the confidence to reach and the steps left; its
            decisions are those that the sources are led to this time, see `search`.
        start: perturbation to begin with, `(canvas, 3, canvas)` int16 levels; None for no change.
        steps: gradient steps made in earlier attempts.
        retries: earlier attempts that were made because the saved file failed its verification.
        checks: verifications of the saved file so far.
    """

    job: Job[K]
    problem: Problem
    start: np.ndarray | None = None
    steps: int = 0
    retries: int = 0
    checks: int = 0

    @cached_property
    def packed(self) -> Packed:
        """The problem as it travels to the device."""
        return pack(self.problem)


@dataclass(frozen=True, eq=False)
class Finished(Generic[K]):
    """An attempt that came out of its slot; its arrays may still be on their way from the device.

    Attributes:
        attempt: what went into the slot.
        levels: perturbations in whole levels of the images that were read together,
            `(n, canvas, 3, canvas)` int16.
        steps: gradient steps of their attempts, `(n,)` int32.
        row: which of them this one is.
    """

    attempt: Attempt[K]
    levels: Array | np.ndarray
    steps: Array | np.ndarray
    row: int = 0


@dataclass(frozen=True, eq=False)
class Adapted(Generic[K]):
    """An image that came out of the loop.

    Attributes:
        attempt: what was asked of it last.
        levels: perturbation in whole levels, `(canvas, 3, canvas)` int16.
        attempt_steps: gradient steps of the last attempt.
        hints: what a search that goes on from here has to go by.
    """

    attempt: Attempt[K]
    levels: np.ndarray
    attempt_steps: int
    hints: Hints = NO_HINTS

    @classmethod
    def unchanged(cls, job: Job[K]) -> Adapted[K]:
        """An image as it was before the loop: no step made, no pixel changed."""
        return cls(Attempt(job, job.problem), np.zeros(LAYOUT, np.int16), 0)

    @property
    def job(self) -> Job[K]:
        """The image before the loop."""
        return self.attempt.job

    @property
    def steps(self) -> int:
        """Gradient steps made, over all attempts."""
        return self.attempt.steps + self.attempt_steps

    @property
    def retries(self) -> int:
        """Attempts that were made because the saved file had failed its verification."""
        return self.attempt.retries

    @property
    def spent(self) -> bool:
        """Whether it made all steps that its last attempt allowed."""
        return self.attempt_steps >= int(np.asarray(self.attempt.problem.steps))

    @cached_property
    def image(self) -> np.ndarray:
        """The adapted image, `(H, W, 3)` uint8."""
        return self.job.canvas.add(self.job.pixels, self.levels.swapaxes(1, 2))


def next_attempt(
    adapted: Adapted[K], settings: Settings, best: Adapted[K] | None = None
) -> Attempt[K] | None:
    """What follows where a verification is not content; None where retries or steps are spent.

    Args:
        adapted: the image as it came out of the loop.
        settings: options of the loop.
        best: what a search goes on from; by default `adapted`.
    """
    left = settings.steps - adapted.steps
    # No more verifications than the guarantee counts on.
    verified_enough = adapted.attempt.checks + 1 >= settings.max_verifications
    if adapted.job.fixed or verified_enough:
        return None
    whole = settings.spends_all and not settings.verify_every
    if settings.queries and (left <= 0 or whole or adapted.retries >= settings.max_retries):
        return search(adapted, settings, best or adapted)
    if left <= 0:
        return None
    steps = settings.steps_to_verification(left)
    if settings.verify_every and (adapted.spent or settings.spends_all):
        return go_on(adapted, settings, steps)
    return None if adapted.retries >= settings.max_retries else retry(adapted, settings, steps)


def retry(adapted: Adapted[K], settings: Settings, steps: int) -> Attempt[K]:
    """A further attempt of so many steps after a failed verification, with a larger confidence.

    Where there are final steps, it consists of them: random transforms would lead away again.
    """
    retries = adapted.retries + 1
    final_steps = np.int32(steps if settings.final_fraction else 0)
    return _further(adapted, settings, retries, retries, steps, (final_steps, final_steps))


def go_on(adapted: Adapted[K], settings: Settings, steps: int) -> Attempt[K]:
    """The next so many steps of an image that has come to the end of `verify_every` steps."""
    final_steps = final_steps_of(settings, steps)
    return _further(adapted, settings, adapted.retries, adapted.steps << 8, steps, final_steps)


def search(adapted: Adapted[K], settings: Settings, best: Adapted[K]) -> Attempt[K]:
    """What follows where all steps are spent, and oracles disagree: a move of their search.

    With what pleased them best as the start, that is an evolution strategy of one parent and one
    child.

    Args:
        adapted: the image as it came out of the loop.
        settings: options of the loop.
        best: what pleased the oracles best so far, to go on from.
    """
    no_final_steps = np.int32(0), np.int32(0)
    asked = adapted.attempt.checks + 1
    questions = Questions(asked, settings.queries, best.hints)
    move = next_move(best.levels, adapted.job.problem, questions)
    further = _further(adapted, settings, adapted.retries, asked << 16, move.steps, no_final_steps)
    # Its steps are all made: where sources are confident, the file would stay as it is.
    led = further.problem._replace(
        decisions=np.asarray(move.decisions, np.int32), confidence=np.float32(np.inf)
    )
    return replace(further, start=move.levels, problem=led)


def _further(
    adapted: Adapted[K],
    settings: Settings,
    retries: int,
    seed: int,
    steps: int,
    final_steps: tuple[np.int32, np.int32],
) -> Attempt[K]:
    """An attempt that begins where an image stands.

    Args:
        adapted: the image as it came out of its last attempt.
        settings: options of the loop.
        retries: attempts after a failed verification, this one included.
        seed: changes the seed of the image's random transforms.
        steps: most gradient steps of the attempt.
        final_steps: how many of them are final, and how many of these unconditional.
    """
    final, unconditional = final_steps
    problem = adapted.job.problem._replace(
        confidence=np.float32(settings.confidence + settings.confidence_step * retries),
        steps=np.int32(steps),
        seed=np.asarray(adapted.job.problem.seed, np.uint32) ^ np.uint32(seed),
        final_steps=final,
        unconditional_steps=unconditional,
    )
    checks = adapted.attempt.checks + 1
    return Attempt(adapted.job, problem, adapted.levels, adapted.steps, retries, checks)
