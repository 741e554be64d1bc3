"""`jaxanon bench`: time of gradient steps, and images per second, on this machine."""

from __future__ import annotations

import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from jaxanon.adaptation.settings import preset
from jaxanon.anonymizers import make
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.cli.common import Loader, check_side_files, classifiers_named, load_all
from jaxanon.display import tables
from jaxanon.errors import UsageError
from jaxanon.evaluation import device_rate
from jaxanon.evaluation import throughput as benchmark
from jaxanon.io.files import write_json
from jaxanon.io.kinds.folders import Folders
from jaxanon.io.packaged import demo_photos
from jaxanon.io.results import OutputFolder
from jaxanon.metrics import percent
from jaxanon.pipeline import ceiling
from jaxanon.pipeline.stages import RunOptions
from jaxanon.pipeline.whole import bare_run, whole_items
from jaxanon.runtime import compilation, workers
from jaxanon.runtime.devices import mesh

HEAD = (
    "gradient step of",
    "ms/image",
    "forward",
    "GFLOP/image",
    "MB/image",
    "of peak",
    "memory",
    "compile",
)


def bench(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon bench`."""
    names = classifiers_named("--classifiers", args.classifiers)
    for option in ("batch", "repeats"):
        if getattr(args, option) < 1:
            raise UsageError(f"--{option} is {getattr(args, option)}; it must be at least 1")
    if args.json:
        check_side_files([args.json], [], overwrite=args.overwrite)
    compilation.enable_compilation_cache()
    devices = mesh(args.devices)
    classifiers = load_all(names, quiet=True)
    peak = benchmark.matrix_rate(args.precision or "float32")
    print(f"{benchmark.hardware()}; a matrix product runs at {peak / 1e9:,.0f} GFLOP/s")
    groups = [[classifier] for classifier in classifiers]
    if len(classifiers) > 1:
        groups.append(classifiers)
    rows = [_row(group, args, peak) for group in groups]
    print(tables.table(HEAD, [_line(row) for row in rows]))
    print(
        f"batches of {args.batch} at native size, medians of {args.repeats}; operations and bytes\n"
        "as XLA counts them; 'of peak' is the step's rate over the matrix product's"
    )
    result: dict[str, Any] = {
        "device": benchmark.hardware(),
        "versions": benchmark.versions("jaxanon", "jax", "jaxlib", "flax", "numpy"),
        "weights": {c.name: c.config.origin for c in classifiers},
        "matrix_product_gflops": round(peak / 1e9, 1),
        "gradient_steps": rows,
    }
    try:
        labelled = demo_photos()
    except UsageError:
        print("\nno photos to run end to end: pip install 'jaxanon[demo]'")
    else:
        report = _end_to_end([path for path, _ in labelled], classifiers, devices)
        result["end_to_end"] = report
        print("\n" + _story(report))
        result["ceiling"] = _ceiling(labelled, classifiers, devices, report)
        print("\n" + _limits(result["ceiling"]))
    if args.json:
        write_json(args.json, result)
    return 0


def _row(group: Sequence[Classifier], args: Namespace, peak: float) -> dict[str, Any]:
    step = benchmark.gradient_step(group, args.batch, args.precision or "float32")
    forward = benchmark.forward_pass(group, args.batch)
    seconds = statistics.median(benchmark.seconds_of(step.call, args.repeats))
    ahead = statistics.median(benchmark.seconds_of(forward.call, args.repeats))
    return {
        "name": "+".join(classifier.name for classifier in group),
        "batch": args.batch,
        "precision": args.precision or "float32",
        "seconds": seconds,
        "forward_seconds": ahead,
        "images_per_second": args.batch / seconds,
        "gflop_per_image": step.flops / args.batch / 1e9,
        "mb_per_image": step.bytes / args.batch / 1e6,
        "share_of_peak": step.flops / seconds / peak,
        "memory_mb": step.memory / 1e6,
        "compile_seconds": step.compile_seconds,
    }


def _line(row: dict[str, Any]) -> list[str]:
    count = row["name"].count("+") + 1
    return [
        row["name"] if count == 1 else f"all {count} together",
        f"{1e3 * row['seconds'] / row['batch']:.1f}",
        f"{1e3 * row['forward_seconds'] / row['batch']:.1f}",
        f"{row['gflop_per_image']:.1f}",
        f"{row['mb_per_image']:.0f}",
        percent(row["share_of_peak"]),
        f"{row['memory_mb']:.0f} MB",
        f"{row['compile_seconds']:.1f} s",
    ]


def _end_to_end(
    paths: Sequence[Path], classifiers: Sequence[Classifier], devices: Mesh
) -> dict[str, Any]:
    """Blur, adapt, save and verify the photos; what the run says of its time."""
    with tempfile.TemporaryDirectory(prefix="jaxanon-bench-") as folder:
        results = OutputFolder(Path(folder))
        items = whole_items(Folders(paths), results, make("blur"))
        options = RunOptions(mesh=devices, quiet=True)
        run = bare_run(results, items, classifiers, [], preset("fast"), options)
        begin = time.perf_counter()
        report = run.execute()
    summary = report["summary"]
    return {
        "images": summary["images"],
        "kept": sum(image["status"] == "kept" for image in report["images"]),
        "steps": statistics.mean(image["steps"] for image in report["images"]),
        "seconds": summary["seconds"],
        "seconds_with_compilation": round(time.perf_counter() - begin, 3),
        "images_per_second": summary["images_per_second"],
        **report["timing"],
    }


def _ceiling(
    labelled: Sequence[tuple[Path, int]],
    classifiers: Sequence[Classifier],
    devices: Mesh,
    report: dict[str, Any],
) -> dict[str, Any]:
    """What the host can feed, what the devices can take, and the cores that would balance them."""
    host = ceiling.images_per_second([path for path, _ in labelled], classifiers, mesh=devices)
    ensemble = Ensemble(classifiers, mesh=devices)
    device = device_rate.images_per_second(ensemble, report["steps"])
    cores = workers.cores()
    return {
        "host_images_per_second": host,
        "device_images_per_second": device,
        "cores": cores,
        "cores_needed": cores * device / host,
    }


def _limits(found: dict[str, Any]) -> str:
    return (
        f"without the device's work this host's {found['cores']} cores take "
        f"{found['host_images_per_second']:.1f} images/s from file to file; "
        f"the device alone takes {found['device_images_per_second']:.1f} images/s:\n"
        f"{found['cores_needed']:.1f} such cores would keep it busy"
    )


def _story(report: dict[str, Any]) -> str:
    busiest = sorted(report["host_seconds"].items(), key=lambda pair: -pair[1])
    work = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in busiest if name != "compile")
    return (
        f"end to end, {report['images']} photos, blurred, saved and verified: "
        f"{report['images_per_second']:.2f} images/s; {report['kept']} kept, "
        f"{report['steps']:.1f} steps each\n"
        f"the device was busy {percent(report['device_busy'])} of the time, "
        f"its slots filled to {percent(report['slots_taken'])}\n"
        f"beside it, summed over threads: {work}"
    )
