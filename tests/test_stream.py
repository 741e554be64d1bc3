"""Where images of a stream are: slow checks leave the slots full, moves without steps need none."""

from __future__ import annotations

import threading
from collections import Counter, deque
from itertools import pairwise

import numpy as np
import pytest
from samples import picture

from jaxanon.adaptation.attempt import Adapted, Attempt, Finished, next_attempt
from jaxanon.adaptation.problem import LAYOUT, prepare
from jaxanon.adaptation.search import Hints
from jaxanon.adaptation.settings import preset
from jaxanon.adaptation.slots import Slots
from jaxanon.adaptation.stream import CHECKS, stream
from jaxanon.classifiers.ensemble import Ensemble

BATCH, SLOTS, IMAGES = 2, 3, 24


class Belt:
    """Slots without a device: what goes in comes out at the next chunk, unchanged."""

    total = SLOTS

    def __init__(self, sources, settings):
        self.sources, self.settings = sources, settings
        self.held, self.entered = [], []

    @property
    def busy(self):
        return len(self.held)

    @property
    def free(self):
        return self.total - self.busy

    def fill(self, waiting):
        while waiting and self.free:
            self.held.append(waiting.popleft())
            self.entered.append(self.held[-1])

    def advance(self):
        out, self.held = self.held, []
        levels, steps = np.zeros((1, *LAYOUT), np.int16), np.zeros(1, np.int32)
        return [Finished(each, levels, steps + int(np.asarray(each.problem.steps))) for each in out]


@pytest.fixture
def sources(tinies):
    return Ensemble(tinies[:1], batch=BATCH)


def jobs(sources, settings, count=IMAGES):
    return [
        prepare(i, picture(i, 40, 40), np.array([i % 10]), sources, settings) for i in range(count)
    ]


def by_two(given):
    return (given[i : i + 2] for i in range(0, len(given), 2))


def test_a_check_that_waits_for_answers_keeps_no_other_image_from_the_slots(sources):
    belt, others_done = Belt(sources, preset("fast")), threading.Event()
    lock, stuck, order = threading.Lock(), [], []

    def check(images):
        with lock:
            first = not stuck
            if first:
                stuck.extend(each.job.key for each in images)
        if first:
            assert others_done.wait(30), "it waits for the others, and they for it"
        return [True] * len(images)

    for adapted in stream(by_two(jobs(sources, belt.settings)), belt, check, CHECKS):
        order.append(adapted.job.key)
        if len(order) == IMAGES - len(stuck):
            others_done.set()
    assert len(belt.entered) == IMAGES
    assert sorted(order) == list(range(IMAGES))
    assert order[-len(stuck) :] == stuck


def test_no_more_checks_than_said_and_no_more_images_than_that_holds(sources):
    """While no answer comes, no images are drawn beyond a bound."""
    belt, drawn, stopped = Belt(sources, preset("fast")), [], threading.Event()
    lock, waiting = threading.Lock(), []

    def batches():
        for job in jobs(sources, belt.settings, 60):
            drawn.append(job)
            yield [job]

    def check(images):
        with lock:
            waiting.append(len(images))
        stopped.wait(0.5)
        with lock:
            most.append(sum(waiting))
            waiting.remove(len(images))
        return [True] * len(images)

    most = []
    adapted = stream(batches(), belt, check, 2)
    next(adapted)
    # In two checks, before them, in slots, ready or drawn ahead.
    assert len(drawn) <= 2 * BATCH + 2 * BATCH + 2 * SLOTS + 2
    stopped.set()
    assert len(list(adapted)) == 59
    assert max(most) <= 2 * BATCH


def test_moves_without_steps_go_past_the_slots(sources):
    settings = preset("balanced", queries=15)
    belt, seen = Belt(sources, settings), Counter()

    def check(images):
        seen.update(each.job.key for each in images)
        return [False] * len(images)

    adapted = list(stream([jobs(sources, settings, 4)], belt, check, CHECKS))
    assert dict(seen) == dict.fromkeys(range(4), 15), "each is asked about as often as it may be"
    steps = [int(np.asarray(each.problem.steps)) for each in belt.entered]
    assert Counter(steps) == {settings.steps: 4, 4: 4}, (
        "first all steps, then one move of ten with some"
    )
    assert all(each.levels.any() for each in adapted), "and the others moved all the same"


def test_past_the_slots_it_comes_out_as_from_one(tinies):
    ensemble, settings = Ensemble(tinies[:1]), preset("balanced", queries=9)
    slots = Slots(ensemble, settings, 1)
    (job,) = jobs(ensemble, settings, 1)
    seen = []

    def check(images):
        seen.extend(images)
        return [False] * len(images)

    list(stream([[job]], slots, check))
    assert len(seen) == 9
    for before, after in pairwise(seen):
        attempt = next_attempt(before, slots.settings)
        slots.fill(deque([Attempt(job, attempt.problem, attempt.start)]))
        finished = []
        while not finished:
            finished = slots.advance()
        np.testing.assert_array_equal(np.asarray(finished[0].levels)[0], after.levels)
        assert int(np.asarray(finished[0].steps)[0]) == after.attempt_steps == 0


def test_a_move_for_an_oracle_leads_elsewhere_once(tinies):
    """The image's own decisions stay as they are, and the next move begins with them again."""
    settings = preset("balanced", queries=9)
    (job,) = jobs(Ensemble(tinies[:1]), settings, 1)
    own, aim = job.problem.decisions.tolist(), np.array([5])
    still = np.zeros(LAYOUT, np.int16)
    made = Adapted(Attempt(job, job.problem), still, settings.steps, Hints(True, (aim,)))
    led = next_attempt(made, settings)
    assert (led.problem.decisions.tolist(), led.problem.decisions.dtype) == ([5], np.int32)
    assert led.packed.words.shape == Attempt(job, job.problem).packed.words.shape
    patched = next_attempt(Adapted(led, still, 4, Hints(False, (aim,))), settings)
    assert patched.problem.decisions.tolist() == job.problem.decisions.tolist() == own


def test_a_search_begins_when_all_steps_are_spent(tinies):
    """Also where the file is verified in between, as with a cap."""
    settings = preset("balanced", queries=9, verify_every=10)
    (job,) = jobs(Ensemble(tinies[:1]), settings, 1)
    made, steps = Adapted(Attempt(job, job.problem), np.zeros(LAYOUT, np.int16), 10), []
    while made.steps < settings.steps:
        attempt = next_attempt(made, settings)
        steps.append(int(attempt.problem.steps))
        made = Adapted(attempt, made.levels, steps[-1])
    assert steps == [10, 10, 10]
    assert int(next_attempt(made, settings).problem.steps) == 0, "a patch"
