"""How many images a device can take, were the host never late: the loop's own programs, timed."""

from __future__ import annotations

import statistics
import time
from collections import deque

import numpy as np

from jaxanon.adaptation.attempt import Attempt
from jaxanon.adaptation.problem import prepare
from jaxanon.adaptation.settings import preset
from jaxanon.adaptation.slots import Slots
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.random_weights import pixels

SIDE = 256
"""Of the synthetic image, in pixels; a step costs the same for any."""


def synthetic_image() -> np.ndarray:
    """Random pixels, `(SIDE, SIDE, 3)` uint8."""
    image: np.ndarray = (255 * pixels((1, SIDE, SIDE, 3))[0]).astype(np.uint8)
    return image


def full_slots(
    sources: Ensemble, slots: int | None = None, length: int = 1, precision: str = "auto"
) -> Slots[int]:
    """Slots full of synthetic images that never end.

    Args:
        sources: the classifiers to adapt to.
        slots: images per device; by default as in a run.
        length: steps per call.
        precision: see `jaxanon.adaptation.settings.Settings`.
    """
    endless = preset("fast", confidence=float("inf"), steps=100_000, precision=precision)
    made = Slots[int](sources, endless, slots, length=length)
    job = prepare(0, synthetic_image(), np.arange(len(sources.classifiers)), sources, endless)
    made.fill(deque(Attempt(job, job.problem) for _ in range(made.total)))
    return made


def seconds_per_step(running: Slots[int], calls: int) -> float:
    """The mean over many calls, one handed to the device while the last still runs."""
    for _ in range(2):
        running.advance()
    running.wait()
    begin = time.perf_counter()
    for _ in range(calls):
        running.advance()
    running.wait()
    return (time.perf_counter() - begin) / calls / running.length


def seconds_per_decision(ensemble: Ensemble, repeats: int = 3) -> float:
    """Of all classifiers on one image, where a whole batch is decided."""
    times = []
    for _ in range(repeats + 1):
        views = [ensemble.look(synthetic_image()) for _ in range(ensemble.batch)]
        begin = time.perf_counter()
        ensemble.decide_from_views(views)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:]) / len(views)


def images_per_second(ensemble: Ensemble, steps: float, calls: int = 5) -> float:
    """Images that the device adapts per second where each takes so many steps.

    Its decisions before and after are counted: on the original, the anonymized and the saved image.
    The slots are those of a run of few images.

    Args:
        ensemble: the sources.
        steps: gradient steps of an image, on average; one more pass finds that it is done.
        calls: calls to time.
    """
    running = full_slots(ensemble)
    step = seconds_per_step(running, calls) / running.total
    return 1 / ((steps + 1) * step + 3 * seconds_per_decision(ensemble))
