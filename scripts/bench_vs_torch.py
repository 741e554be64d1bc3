"""Throughput against PyTorch, side by side in one process: same weights, images and update rule.

    python scripts/bench_vs_torch.py --json FILE [--photos DIR ...] [options]

Gradient steps, per classifier and per ensemble: the gradient of the summed cross-entropy by the
pixels, against timm's models in eager mode with channels last, and the same through
`torch.compile`. Ours and theirs are run in turn, so that a drift of the machine's speed hits both,
with a short rest before each call, so that neither meets the other's threads still spinning;
medians are reported, and the first call, compilation included, apart.

End to end: from files to files, on photos blurred alike, until every source keeps its decision in
the saved file. `timm-eager` is our loop written in PyTorch on fixed batches, which go on until
their last image is done; its variant `dropping` leaves out images as they are done. `foolbox` is
its targeted projected gradient descent with default settings, 40 steps; how many images it keeps
is in the row. Reading, blurring and writing are the same code for all, in a pool of threads.

On CPUs our commands tell the C library to keep freed memory (`jaxanon.memory`). Here that holds for
the whole process, so PyTorch gains from it as well; `--default-memory` leaves it out for both.

Classifiers without installed weights get random ones: a step costs the same.

Needs the extras `demo` (weights, photos, foolbox) and `parity` (torch, timm).
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_peers as peers
from compare_with_timm import timm_model
from PIL import Image

from jaxanon import benchmark, memory
from jaxanon.adaptation.settings import preset
from jaxanon.anonymizers import DEFAULT_STRENGTH, anonymize
from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.loading import load_classifier
from jaxanon.classifiers.port import port
from jaxanon.commands.demo import photos
from jaxanon.images import decode
from jaxanon.manifest import Journal, write_json
from jaxanon.regions import Region
from jaxanon.run import Item, Loaded, Run

LITE = "tf_efficientnet_lite0,tf_efficientnet_lite1,tf_efficientnet_lite2"
SINGLE = f"{LITE},mobilenetv2_100,mobilenetv3_large_100,resnet50,vgg16,xception65"
REST = 0.05
"""Seconds before each call: OpenMP's threads go on spinning for a while."""
SIDE = 256
"""Of the photos end to end: PyTorch's batches need images of one size."""


def ours_of(name: str) -> Classifier:
    """Our classifier with installed weights, or with those drawn for timm's."""
    entry = registry.find(name)
    if entry.installed is not None:
        return load_classifier(name)
    _, drawn = timm_model(entry.architecture)
    model = entry.build(entry.config.classes)
    port(model, drawn, name)
    return Classifier.of(f"{entry.architecture} (random weights)", entry.config, model)


def interleaved(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int
) -> tuple[list[float], list[float]]:
    """Seconds of each call, ours and theirs in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for call, seconds in zip((ours, theirs), times, strict=True):
            time.sleep(REST)
            begin = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - begin)
    return times


def gradient_rows(
    name: str, batch: int, repeats: int, precision: str, *, compiled: bool
) -> list[dict[str, Any]]:
    """One row per peer for a classifier, or for several joined by `+`."""
    names = name.split("+")
    classifiers = [ours_of(each) for each in names]
    made = [benchmark.inputs(classifier, batch) for classifier in classifiers]
    begin = time.perf_counter()
    program = benchmark.gradient_step(classifiers, batch, precision)
    program.call()
    cold = time.perf_counter() - begin
    models = [peers.model_of(each) for each in names]
    configs = [classifier.config for classifier in classifiers]
    rows = []
    for peer in ("timm-eager", "torch-compile")[: 1 + compiled]:
        if peer == "torch-compile":
            models = [torch.compile(model) for model in models]
        theirs = peers.gradient_step(models, configs, made, precision)
        begin = time.perf_counter()
        theirs()
        their_cold = time.perf_counter() - begin
        program.call()
        a, b = (np.asarray(v) for v in interleaved(program.call, theirs, repeats))
        mine = statistics.median(a)
        rows.append(
            {
                "what": "gradient_step",
                "name": "+".join(classifier.name for classifier in classifiers),
                "batch": batch,
                "precision": precision,
                "peer": peer,
                "ours_seconds": mine,
                "peer_seconds": statistics.median(b),
                "ratio": statistics.median(b) / mine,
                "ratio_quartiles": [float(q) for q in np.quantile(b / a, (0.25, 0.75))],
                "ours_cold_seconds": cold,
                "peer_cold_seconds": their_cold,
                "repeats": repeats,
                "gflop_per_image": program.flops / batch / 1e9,
                "gflops_per_second": program.flops / mine / 1e9,
                "mb_per_image": program.bytes / batch / 1e6,
                "ours_memory_mb": program.memory / 1e6,
            }
        )
    return rows


def square(paths: Sequence[Path], folder: Path) -> list[Path]:
    """The photos' centres at `SIDE` by `SIDE` pixels, as PNG files."""
    out = []
    for i, path in enumerate(paths):
        image = Image.fromarray(decode(path))
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        box = (left, top, left + short, top + short)
        out.append(folder / f"{i:03}-{path.stem}.png")
        image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box).save(out[-1])
    return out


def blurred(original: np.ndarray) -> np.ndarray:
    """The anonymizer of the comparison."""
    return anonymize(original, Region(), "blur", DEFAULT_STRENGTH["blur"])


def end_to_end_rows(
    name: str, paths: Sequence[Path], what: str, batch: int, rounds: int
) -> list[dict[str, Any]]:
    """Rows for our run against each peer's, in turn, `rounds` times after one to warm up."""
    names = name.split("+")
    classifiers = [ours_of(each) for each in names]
    settings = preset("fast")
    models = [peers.model_of(each) for each in names]
    judge = peers.Judge(models, [classifier.config for classifier in classifiers], batch)

    def load(path: Path) -> Loaded:
        original = decode(path)
        return Loaded(original, blurred(original), None)

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        (out / "in").mkdir()
        files = square(paths, out / "in")
        count = iter(range(10_000))

        def ours() -> dict[str, Any]:
            to = out / f"ours{next(count)}"
            items = [Item(path, to / path.name, partial(load, path)) for path in files]
            run = Run(items, classifiers, [], settings, "png", {}, Journal(to, {}), quiet=True)
            report = run.execute({})
            images = report["images"]
            return {
                "kept": sum(image["status"] == "kept" for image in images),
                "steps": statistics.mean(image["steps"] for image in images),
                "timing": report["timing"],
            }

        everyone: dict[str, Callable[[], dict[str, Any]]] = {
            "ours": ours,
            "timm-eager": lambda: peers.run(judge, files, blurred, out / "a", settings),
            "timm-eager, dropping": lambda: peers.run(
                judge, files, blurred, out / "b", settings, drop=True
            ),
            "foolbox": lambda: peers.run_foolbox(judge, files, blurred, out / "c", settings),
        }
        seconds: dict[str, list[float]] = {who: [] for who in everyone}
        results: dict[str, dict[str, Any]] = {}
        for _ in range(rounds + 1):
            for who, call in everyone.items():
                if who == "foolbox" and len(seconds[who]) == 2:
                    continue  # it takes many times as long as the others
                begin = time.perf_counter()
                results[who] = call()
                seconds[who].append(time.perf_counter() - begin)
    mine = statistics.median(seconds["ours"][1:])
    rows = []
    for who in list(everyone)[1:]:
        theirs = statistics.median(seconds[who][1:])
        peer, _, variant = who.partition(", ")
        rows.append(
            {
                "what": "end_to_end",
                "name": "+".join(classifier.name for classifier in classifiers),
                "images": f"{len(files)}, {what}",
                "batch": batch,
                "precision": "float32",
                "peer": peer,
                "variant": variant or None,
                "ours_seconds": mine,
                "peer_seconds": theirs,
                "ratio": theirs / mine,
                "ours_images_per_second": len(files) / mine,
                "peer_images_per_second": len(files) / theirs,
                "ours_cold_seconds": seconds["ours"][0],
                "peer_cold_seconds": seconds[who][0],
                "ours_kept": results["ours"]["kept"],
                "peer_kept": results[who]["kept"],
                "ours_steps": results["ours"]["steps"],
                "peer_steps": results[who]["steps"],
                "ours_timing": results["ours"]["timing"],
                "repeats": len(seconds[who]) - 1,
            }
        )
    return rows


def say(row: dict[str, Any]) -> None:
    """A line on a row."""
    who = row["peer"] + (f" ({row['variant']})" if row.get("variant") else "")
    spread = row.get("ratio_quartiles")
    print(
        f"{row['what']} {row['name']} {row['precision']}: ours {row['ours_seconds']:.3f} s, "
        f"{who} {row['peer_seconds']:.3f} s, ratio {row['ratio']:.2f}"
        + (f" ({spread[0]:.2f} to {spread[1]:.2f})" if spread else "")
        + (f"; kept {row['ours_kept']} and {row['peer_kept']}" if "ours_kept" in row else ""),
        flush=True,
    )


def main() -> None:
    """Measure, print a line per row, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--json", type=Path)
    add("--classifiers", default=SINGLE, help="comma-separated; A+B is an ensemble")
    add("--end-to-end", default=LITE.replace(",", "+"), help="sources; empty for none")
    add("--photos", type=Path, action="append", default=[], help="folder of more photos")
    add("--batch", type=int, default=8)
    add("--repeats", type=int, default=15)
    add("--rounds", type=int, default=3, help="end to end")
    add("--precision", default="float32", choices=("float32", "bfloat16"))
    add("--compiled", action="store_true", help="also against torch.compile")
    add("--default-memory", action="store_true", help="leave the C library as it is")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    result = {
        "rows": rows,
        "freed_memory_kept": not args.default_memory and memory.keep_freed(),
        "device": benchmark.hardware(),
        "versions": benchmark.versions(
            "jax", "jaxlib", "flax", "numpy", "torch", "timm", "foolbox"
        ),
        "matrix_product_gflops": benchmark.matrix_rate(args.precision) / 1e9,
    }

    def done(made: list[dict[str, Any]]) -> None:
        for row in made:
            say(row)
        rows.extend(made)
        result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        if args.json:
            write_json(args.json, result)

    for name in filter(None, args.classifiers.split(",")):
        done(gradient_rows(name, args.batch, args.repeats, args.precision, compiled=args.compiled))
    if args.end_to_end:
        packaged = [path for path, _ in photos()]
        more = [path for folder in args.photos for path in sorted(folder.glob("*.jpg"))]
        sets = {"packaged": packaged} | ({"packaged and given": packaged + more} if more else {})
        for what, paths in sets.items():
            done(end_to_end_rows(args.end_to_end, paths, what, args.batch, args.rounds))


if __name__ == "__main__":
    main()
