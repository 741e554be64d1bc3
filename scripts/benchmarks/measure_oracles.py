"""How long the device has work while oracles take their time.

    python scripts/benchmarks/measure_oracles.py [--json FILE] [--photos 48] [--side 160]
        [--wait 0.2] [--queries 10] [--kinds none,wait,patches,sources,both] [--at-once]

Small crops of the demo's photos, blurred, through the whole run from files to verified files. The
source is EfficientNet-Lite0 with its installed weights (extra `demo`), the oracle waits before
each batch of answers and says no to most files, so that questions are spent. Kinds:

none: no oracle. wait: one question for each image, so no search. both: searches as they are, nine
patches, then four steps along the sources' gradients. patches, sources: searches of one kind of
move alone.

Shares are those of the time from the moment when all slots are first taken until fewer images are
left than there are slots. `busy`: the device has any work (see `jaxanon.runtime.meter`), the
forward passes of checks included; `stepping`: a chunk of gradient steps runs; `taken`: slots that
held an image then. With --at-once the oracle answers several batches at once, as services do;
without it, one after the other, as a Python function does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from measure_engine import numbered

from jaxanon.adaptation import search
from jaxanon.adaptation.attempt import Finished
from jaxanon.adaptation.problem import K
from jaxanon.adaptation.settings import preset
from jaxanon.adaptation.slots import Slots
from jaxanon.anonymizers import make
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.loading import load_classifier
from jaxanon.classifiers.outside.classifier import Known, Question
from jaxanon.classifiers.outside.remembered import Remembered
from jaxanon.display.tables import table
from jaxanon.evaluation import throughput as benchmark
from jaxanon.io.files import write_json
from jaxanon.io.images import read_image
from jaxanon.io.packaged import demo_photos
from jaxanon.io.results import OutputFolder
from jaxanon.pipeline.hiding import Hiding
from jaxanon.pipeline.item import Failure, ImageState, Item, LoadedImage
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.run import Run
from jaxanon.pipeline.stages import Done, RunOptions, Stages
from jaxanon.regions.region import Region
from jaxanon.runtime import compilation, memory

SOURCE = "tf_efficientnet_lite0"
KINDS = {"none": None, "wait": None, "both": None, "patches": 10**9, "sources": 1}
"""Kind of run -> each how manieth move follows the sources, where that is not as usual."""
YES = 26
"""Of 256 files, to how many the oracle says yes."""


class Slow:
    """An oracle that takes its time, and says no to nine files of ten.

    Args:
        seconds: that a batch of answers takes.
        at_once: whether several batches are answered at once.
    """

    name, known, sees_originals = "slow", Known(2, None, "here"), True

    def __init__(self, seconds: float, *, at_once: bool) -> None:
        self._seconds, self._turn = seconds, nullcontext() if at_once else Lock()
        self.batches: list[int] = []

    def remember(self, answers: Remembered | None) -> None:
        """Asking again costs nothing."""

    def answers(self, pictures: Sequence[Question]) -> Sequence[object]:
        """0 for originals, and 1, which is a no, for most others; by the picture alone."""
        with self._turn:
            self.batches.append(len(pictures))
            time.sleep(self._seconds)
        return [
            int(not each.private and int(each.pixels.astype(np.int64).sum()) % 256 >= YES)
            for each in pictures
        ]


class WatchedSlots(Slots[K]):
    """Slots that know since when all of them were taken, and for how long chunks ran."""

    full_since: tuple[float, float, float] | None = None
    stepping = 0.0

    def advance(self) -> list[Finished[K]]:
        """As the others do."""
        if self.full_since is None and not self.free:
            self.full_since = moment(self)
        begin = time.perf_counter()
        finished = super().advance()
        self.stepping += time.perf_counter() - begin
        return finished


def moment(slots: WatchedSlots[Any]) -> tuple[float, float, float]:
    """Now; how long the device has had work, and how long chunks ran until now."""
    meter, now = slots.sources.meter, time.perf_counter()
    with meter._lock:
        busy = meter._busy + (now - meter._since if meter._programs else 0.0)
    return now, busy, slots.stepping


class WatchedStages(Stages):
    """Stages that note when fewer images are left than there are slots."""

    few_left: tuple[float, float, float] | None = None

    def make_slots(self) -> Slots[ImageState]:
        return WatchedSlots(self.sources, self.settings, self.slots_per_device)

    def process(self, items: Sequence[Item], done: Done) -> None:  # type: ignore[override]
        """As the others do."""
        left = len(items)

        def count(outcome: ImageState | Failure) -> None:
            nonlocal left
            left -= 1
            slots = self._slots
            assert isinstance(slots, WatchedSlots)
            if self.few_left is None and left < slots.total:
                self.few_left = moment(slots)
            done(outcome)

        super().process(items, count)


class WatchedRun(Run):
    """A run through such stages."""

    stages_class = WatchedStages


def crops(count: int, side: int) -> Iterator[np.ndarray]:
    """Random parts of the demo's photos."""
    photos, rng = [read_image(path) for path, _ in demo_photos()], np.random.default_rng(0)
    for i in range(count):
        photo = photos[i % len(photos)]
        top, left = (int(rng.integers(0, length - side)) for length in photo.shape[:2])
        yield photo[top : top + side, left : left + side]


def load(pixels: np.ndarray) -> LoadedImage:
    """An image that is in memory, hidden everywhere."""
    hidden = make("blur", strength=6.0)(pixels, Region()).pixels
    hiding = Hiding.checked(pixels, hidden, Region(), may_be_empty=True)
    return LoadedImage(pixels, hidden, None, hiding=hiding)


def run_of(source: Classifier, kind: str, oracle: Slow, args: argparse.Namespace, out: Path) -> Run:
    """A run of one kind, not begun."""
    queries = {"none": 0, "wait": 1}.get(kind, args.queries)
    asked = [] if kind == "none" else [oracle]
    photos = enumerate(crops(args.photos, args.side))
    items = [numbered(i, out, partial(load, pixels)) for i, pixels in photos]
    options = RunOptions(slots=args.slots, quiet=True, oracles=tuple(each.name for each in asked))
    journal = Journal(OutputFolder(out).lines(JOURNAL), {})
    settings = preset("balanced", queries=queries)
    return WatchedRun(items, [source], asked, settings, journal, options)


def measure(source: Classifier, kind: str, args: argparse.Namespace) -> dict[str, Any]:
    """A row: one run of a kind."""
    oracle, every = Slow(args.wait, at_once=args.at_once), search.SOURCES_EVERY
    search.SOURCES_EVERY = KINDS[kind] or every
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = run_of(source, kind, oracle, args, Path(folder))
            run.stages.compile()
            begin = time.process_time()
            report = run.execute()
    finally:
        search.SOURCES_EVERY = every
    stages = run.stages
    assert isinstance(stages, WatchedStages)
    slots = stages.make_slots() if stages._slots is None else stages._slots
    assert isinstance(slots, WatchedSlots)
    if slots.full_since is None or stages.few_left is None:
        raise SystemExit("too few photos to fill the slots")
    pairs = zip(stages.few_left, slots.full_since, strict=True)
    wall, busy, stepping = (after - before for after, before in pairs)
    batches = oracle.batches
    return {
        "kind": kind,
        "busy_while_full": report["timing"]["device_busy_steady"],
        "busy": round(busy / wall, 4),
        "stepping": round(stepping / wall, 4),
        "taken": report["timing"]["slots_taken"],
        "seconds": round(wall, 2),
        "processor_seconds": round(time.process_time() - begin, 1),
        "questions": sum(image["queries"] or 0 for image in report["images"]),
        "steps": sum(image["steps"] for image in report["images"]),
        "images_a_batch": round(statistics.mean(batches), 1) if batches else None,
    }


def main() -> None:
    """Measure, print a table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="add the rows to this file")
    add("--photos", type=int, default=48)
    add("--side", type=int, default=160)
    add("--wait", type=float, default=0.2)
    add("--queries", type=int, default=10)
    add("--slots", type=int)
    add("--kinds", default=",".join(KINDS))
    add("--at-once", action="store_true")
    args = parser.parse_args()
    memory.keep_freed()
    compilation.enable_compilation_cache()
    source, rows = load_classifier(SOURCE), []
    for kind in args.kinds.split(","):
        rows.append(measure(source, kind, args))
        print(rows[-1], flush=True)
    print(table(list(rows[0]), [[str(value) for value in row.values()] for row in rows]))
    if args.json:
        found = json.loads(args.json.read_text()) if args.json.exists() else {}
        what = {name: value for name, value in vars(args).items() if name not in ("json", "kinds")}
        key = " ".join(f"{name}={value}" for name, value in what.items())
        versions = benchmark.versions("jax", "jaxlib")
        made = {"device": benchmark.hardware(), "versions": versions, "source": source.name}
        write_json(args.json, {**found, key: {**made, "rows": rows}})


if __name__ == "__main__":
    main()
