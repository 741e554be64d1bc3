"""How long a device that takes no processor has work while oracles answer, by checks at once.

    python scripts/benchmarks/simulate_oracles.py [--json FILE] [--images 200] [--slots 16]
        [--chunk 0.03] [--wait 0.2] [--queries 20] [--every 10] [--checks 1,2,4]

The scheduler of the loop (`jaxanon.adaptation.stream`) with moves as they are, and slots that
sleep in place of computing: a chunk takes the same time however many are taken. The oracle takes
its time for each batch of answers, several at once, and agrees with one file of ten. `busy` is the
share of the time in which a chunk runs, from the first one until the last image is in a slot;
`busy_afterwards` that share until all have ended, when only searches are left. With --wait 0 it
shows what the host takes. --every 1 searches by moves of the sources alone, a large number by
patches alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from jaxanon.adaptation import search
from jaxanon.adaptation.attempt import Adapted, Attempt, Finished
from jaxanon.adaptation.problem import LAYOUT, Job, prepare
from jaxanon.adaptation.settings import preset
from jaxanon.adaptation.slots import Slots
from jaxanon.adaptation.stream import stream
from jaxanon.classifiers import registry
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.random_weights import random_classifier
from jaxanon.display.tables import table
from jaxanon.io.files import write_json

YES = 0.1
"""Share of the files with which the oracle agrees."""


class SleepingSlots:
    """Slots whose chunks sleep; what is asked of `Slots` by the scheduler.

    Args:
        sources: of which the batch and the meter count.
        total: number of slots.
        chunk: seconds that one step of all slots takes.
        queries: files that an image may take.
    """

    def __init__(self, sources: Ensemble, total: int, chunk: float, queries: int) -> None:
        self.sources, self.total, self._chunk = sources, total, chunk
        self.settings = preset("balanced", steps=30, queries=queries)
        self._held: list[tuple[Attempt[int], int]] = []
        self._new, self._stepping, self.begin = 0, 0.0, 0.0
        self.spans: list[tuple[int, float, float]] = []

    @property
    def busy(self) -> int:
        """Slots that hold an image."""
        return len(self._held)

    @property
    def free(self) -> int:
        """Slots that hold none."""
        return self.total - self.busy

    def fill(self, waiting: deque[Attempt[int]]) -> None:
        """Take images."""
        while self.free and waiting:
            attempt = waiting.popleft()
            self._new += not attempt.checks
            self._held.append((attempt, int(np.asarray(attempt.problem.steps))))

    def advance(self) -> list[Finished[int]]:
        """Sleep for a step, and give back what has made all of its steps."""
        if not self._held:
            return []
        self.begin = self.begin or time.perf_counter()
        time.sleep(self._chunk)
        self._stepping += self._chunk
        self.spans.append((self._new, time.perf_counter() - self.begin, self._stepping))
        self._held = [(attempt, left - 1) for attempt, left in self._held]
        out = [attempt for attempt, left in self._held if left <= 0]
        self._held = [held for held in self._held if held[1] > 0]
        levels = np.zeros((1, *LAYOUT), np.int16)
        return [Finished(each, levels, np.array([each.problem.steps], np.int32)) for each in out]


def jobs(sources: Ensemble, slots: SleepingSlots, count: int) -> Iterator[list[Job[int]]]:
    """Batches of images of 160 x 160."""
    pixels = np.full((160, 160, 3), 127, np.uint8)
    one = prepare(0, pixels, np.zeros(1, int), sources, slots.settings)
    for start in range(0, count, sources.batch):
        numbers = range(start, min(start + sources.batch, count))
        yield [
            replace(one, key=i, problem=one.problem._replace(seed=np.uint32(i))) for i in numbers
        ]


def simulate(sources: Ensemble, checks: int, args: argparse.Namespace) -> dict[str, Any]:
    """A row."""
    slots = SleepingSlots(sources, args.slots, args.chunk, args.queries)

    def check(images: Sequence[Adapted[int]]) -> list[bool]:
        time.sleep(args.wait)
        drawn = [np.random.default_rng([e.job.key, e.attempt.checks]).random() for e in images]
        return [each < YES for each in drawn]

    given = jobs(sources, slots, args.images)
    adapted = list(stream(given, cast("Slots[int]", slots), check, checks))
    whole = time.perf_counter() - slots.begin
    _, seconds, stepping = next(span for span in slots.spans if span[0] == args.images)
    return {
        "checks": checks,
        "busy": round(stepping / seconds, 4),
        "busy_afterwards": round((slots.spans[-1][2] - stepping) / (whole - seconds), 4),
        "seconds": round(whole, 2),
        "images": len(adapted),
        "questions": sum(each.attempt.checks + 1 for each in adapted),
    }


def main() -> None:
    """Simulate, print a table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="add the rows to this file")
    add("--images", type=int, default=200)
    add("--slots", type=int, default=16)
    add("--chunk", type=float, default=0.03)
    add("--wait", type=float, default=0.2)
    add("--queries", type=int, default=20)
    add("--every", type=int, default=search.SOURCES_EVERY)
    add("--checks", default="1,2,4")
    args = parser.parse_args()
    search.SOURCES_EVERY = args.every
    sources = Ensemble([random_classifier(registry.find("mobilenetv2_100"), 32)], batch=args.slots)
    rows = [simulate(sources, int(checks), args) for checks in args.checks.split(",")]
    print(table(list(rows[0]), [[str(value) for value in row.values()] for row in rows]))
    if args.json:
        found = json.loads(args.json.read_text()) if args.json.exists() else {}
        what = {name: value for name, value in vars(args).items() if name not in ("json", "checks")}
        key = "simulated " + " ".join(f"{name}={value}" for name, value in what.items())
        write_json(args.json, {**found, key: {"rows": rows}})


if __name__ == "__main__":
    main()
