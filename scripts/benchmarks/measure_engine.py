"""What the running batch brings, and what an ensemble costs to start and to keep.

    python scripts/benchmarks/measure_engine.py refill  [--json FILE]
    python scripts/benchmarks/measure_engine.py start   [--json FILE] [--slots 16]
    python scripts/benchmarks/measure_engine.py memory  [--json FILE] [--slots 16] [--images 2000]
    [--side 64]

refill: the demo's photos, each once blurred a little (easy) and once pixelated coarsely (hard),
shuffled, through the whole run from files to verified files: images per second with finished
images leaving and new ones entering, against the same loop whose slots are filled only when all are
empty; in turn, medians. And the share of the steady state in which the device had work (see
`jaxanon.meter`).

start: seconds until the programs of the seven sources of `reproduce_tables.py` are ready, in a new
process, first with an empty cache of compiled programs, then with it; and the memory of one step.
Random weights.

memory: resident memory over a long run of small images with the same seven architectures at a small
input size (so that it ends in minutes), 16 slots. Random weights.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon.adaptation.attempt import Attempt, Finished
from jaxanon.adaptation.problem import K, prepare
from jaxanon.adaptation.settings import preset
from jaxanon.adaptation.slots import Slots
from jaxanon.anonymizers import anonymize, make
from jaxanon.classifiers import registry
from jaxanon.classifiers.loading import load_classifier
from jaxanon.classifiers.random_weights import random_classifier
from jaxanon.evaluation import throughput as benchmark
from jaxanon.io.files import write_json
from jaxanon.io.kinds.folders import InputFile
from jaxanon.io.packaged import demo_photos
from jaxanon.io.results import FilePlace, OutputFolder
from jaxanon.pipeline.item import Baseline, ImageState, Item, LoadedImage
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.run import Run
from jaxanon.pipeline.stages import RunOptions, Stages
from jaxanon.pipeline.whole import bare_run, load_whole
from jaxanon.runtime import compilation, memory

LITE = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2")
EASY, HARD = ("blur", 3.0), ("pixelate", 16.0)
STUDY = (
    "mobilenetv2_100",
    "mobilenetv2_140",
    "resnet101",
    "resnet152",
    "vgg16",
    "vgg19",
    "xception65",
)


class SlotsWithoutRefill(Slots[K]):
    """Slots that, once running, take images only when all are empty."""

    _running = False

    @property
    def busy(self) -> int:
        return sum(held is not None for held in self._held)

    @property
    def free(self) -> int:
        return 0 if self._running else self.total - self.busy

    def advance(self) -> list[Finished[K]]:
        """As the others do."""
        self._running = True
        finished = super().advance()
        self._running = self.busy > 0
        return finished


class StagesWithoutRefill(Stages):
    """Stages whose slots are filled anew only when all images in them are done."""

    def make_slots(self) -> Slots[ImageState]:
        return SlotsWithoutRefill(self.sources, self.settings, self.slots_per_device)


class RunWithoutRefill(Run):
    """A run through such stages."""

    stages_class = StagesWithoutRefill


def numbered(number: int, folder: Path, load: Callable[[], LoadedImage]) -> Item:
    """An image of a run that is called by its number."""
    name = Path(str(number))
    return Item(InputFile(name, name), FilePlace(folder / f"{number}.png"), load)


def resident_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def refill(args: argparse.Namespace) -> dict[str, Any]:
    """Images per second with and without refill."""
    classifiers = [load_classifier(name) for name in LITE]
    cases = [(path, method, x) for path, _ in demo_photos() for method, x in (EASY, HARD)]
    order = np.random.default_rng(0).permutation(len(cases))
    cases = [cases[i] for i in order]
    figures: dict[str, list[dict[str, Any]]] = {"with": [], "without": []}
    for round_ in range(args.rounds + 1):
        for kind, made in figures.items():
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder)
                items = [
                    numbered(
                        i, out, partial(load_whole, InputFile(path, path), make(method, strength=x))
                    )
                    for i, (path, method, x) in enumerate(cases)
                ]
                options = RunOptions(slots=args.slots, quiet=True)
                kind_of_run = Run if kind == "with" else RunWithoutRefill
                journal = Journal(OutputFolder(out).lines(JOURNAL), {})
                run = kind_of_run(items, classifiers, [], preset("fast"), journal, options)
                report = run.execute()
            steps = [image["steps"] for image in report["images"]]
            made.append(
                {
                    "images_per_second": report["summary"]["images_per_second"],
                    "kept": sum(image["status"] == "kept" for image in report["images"]),
                    "steps": statistics.mean(steps),
                    "steps_most": max(steps),
                    **report["timing"],
                }
            )
            print(kind, made[-1], flush=True)
            if not round_:
                made.clear()  # to warm up
    medians = {
        kind: statistics.median(row["images_per_second"] for row in made)
        for kind, made in figures.items()
    }
    return {
        "images": len(cases),
        "easy": EASY,
        "hard": HARD,
        "sources": [classifier.name for classifier in classifiers],
        "images_per_second": medians,
        "gain": medians["with"] / medians["without"],
        "device_busy_steady": statistics.median(
            row["device_busy_steady"] for row in figures["with"]
        ),
        "runs": figures,
    }


def start_once(slots: int) -> dict[str, Any]:
    """In a new process: compile the seven sources' programs, make a step, say what it took."""
    memory.keep_freed()
    compilation.enable_compilation_cache()
    classifiers = [random_classifier(registry.find(name)) for name in STUDY]
    before = resident_mb()
    begin = time.perf_counter()
    run = bare_run(
        OutputFolder(Path()), [], classifiers, [], preset("fast"), RunOptions(slots=slots)
    )
    made = run.stages.compile()
    ready = time.perf_counter() - begin
    pixels = np.full((256, 256, 3), 127, np.uint8)
    item = numbered(0, Path(), lambda: LoadedImage(pixels, pixels, None))
    state = ImageState(item, Baseline({}))
    job = prepare(state, pixels, np.arange(7), run.stages.sources, run.stages.settings)
    made.fill(deque([Attempt(job, job.problem)]))
    made.advance()
    begin = time.perf_counter()
    made.advance()
    return {
        "ready_seconds": ready,
        "step_seconds": time.perf_counter() - begin,
        "program_mb": made.memory / 1e6,
        "weights_mb": before,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }


def start(args: argparse.Namespace) -> dict[str, Any]:
    """Cold, then warm, each in a process of its own."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "JAXANON_CACHE": folder}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        command = [sys.executable, __file__, "start-once", "--slots", str(args.slots)]
        for kind in ("cold", "warm", "warm"):
            out = subprocess.run(command, check=True, env=environment, capture_output=True)
            found.append({"kind": kind, **json.loads(out.stdout.splitlines()[-1])})
            print(found[-1], flush=True)
    return {"sources": STUDY, "slots": args.slots, "starts": found}


def flat(args: argparse.Namespace) -> dict[str, Any]:
    """Resident memory over many small images."""
    memory.keep_freed()
    classifiers = [random_classifier(registry.find(name), args.side) for name in STUDY]
    generator = np.random.default_rng(0)
    marks: list[dict[str, float]] = []

    def load(count: int) -> LoadedImage:
        if count % 100 == 0:
            marks.append({"images": count, "resident_mb": resident_mb()})
            print(marks[-1], flush=True)
        pixels = generator.integers(0, 256, (args.side, args.side, 3), np.uint8)
        return LoadedImage(pixels, anonymize(pixels, "blur", strength=6.0), None)

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        items = [numbered(i, out, partial(load, i)) for i in range(args.images)]
        settings = preset("fast", steps=2, max_retries=0)
        options = RunOptions(slots=args.slots, quiet=True)
        report = bare_run(OutputFolder(out), items, classifiers, [], settings, options).execute()
    marks.append({"images": args.images, "resident_mb": resident_mb()})
    return {
        "sources": STUDY,
        "input_size": args.side,
        "slots": args.slots,
        "images_per_second": report["summary"]["images_per_second"],
        "resident": marks,
    }


def main() -> None:
    """Measure one thing, print it, write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("what", choices=("refill", "start", "start-once", "memory"))
    add("--json", type=Path)
    add("--slots", type=int)
    add("--images", type=int, default=2000)
    add("--side", type=int, default=64)
    add("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.what != "refill" and args.slots is None:
        args.slots = 16
    if args.what == "start-once":
        print(json.dumps(start_once(args.slots)))
        return
    if args.what == "refill":
        memory.keep_freed()
    result = {"refill": refill, "start": start, "memory": flat}[args.what](args)
    result = {"device": benchmark.hardware(), "versions": benchmark.versions("jax"), **result}
    print(json.dumps({key: v for key, v in result.items() if key != "runs"}, indent=1))
    if args.json:
        write_json(args.json, result)


if __name__ == "__main__":
    main()
