"""Seconds of runs over shards, of three sizes and with one, two and four workers of Ray.

    python scripts/benchmarks/measure_workers.py [--per-shard 50] [--shards 4 8 16]
        [--workers 1 2 4] [--classifier tf_efficientnet_lite0] [--json FILE]

First the stages alone: runs in one process over small and large shards say what an image and what
a shard takes, and how many cores it keeps busy; a run by one worker says what Ray's start takes.
`scale_page.py` computes from these what the other runs should take, and holds it against what they
took. Each run is a process of its own, with a warm cache of compiled programs. Needs the extra
`cluster`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from compare_engines import PROGRAM, span, write_shard

SIDE = 224
"""Of the images, in pixels."""
STAGES = 4
"""Shards of the runs that measure stages."""


def main() -> None:
    """Measure the stages, then the runs, and print both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--per-shard", type=int, default=50)
    parser.add_argument("--shards", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--classifier", default="tf_efficientnet_lite0")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jaxanon-workers-") as name:
        folder = Path(name)

        def run(label: str, shards: int, images: int, workers: int) -> dict[str, float]:
            paths = [folder / f"{images}-{i:04d}.tar" for i in range(shards)]
            for i, path in enumerate(paths):
                if not path.exists():
                    write_shard(path, i, images, SIDE)
            row = measure(paths, folder / label, args.classifier, workers)
            row = {"shards": shards, "images": shards * images, "workers": workers, **row}
            print(label, row, flush=True)
            return row

        run("warm", 1, args.per_shard, 0)
        stages = {
            "small": run("small", STAGES, args.per_shard // 2, 0),
            "large": run("large", STAGES, 2 * args.per_shard, 0),
            "ray": run("ray", STAGES, args.per_shard // 2, 1),
        }
        rows = [
            run(f"{workers}-{shards}", shards, args.per_shard, workers)
            for shards in args.shards
            for workers in args.workers
        ]
    if args.json:
        what = {"classifier": args.classifier, "side": SIDE, "cores": os.cpu_count()}
        told = {"what": what, "stages": stages, "runs": rows}
        args.json.write_text(json.dumps(told, indent=1) + "\n")


def measure(shards: Sequence[Path], out: Path, classifier: str, workers: int) -> dict[str, float]:
    """One run by so many workers of Ray, or in one process for none.

    Returns:
        Seconds of the whole process; seconds from one finished shard to the next, and processor
        seconds, of a run in one process alone.
    """
    words = ["anonymize", *map(str, shards), "-o", str(out), "--sources", classifier, "--quiet"]
    words += ["--preset", "fast"]
    if workers:
        words += ["--engine", "ray", "--workers", str(workers)]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", PROGRAM, *words], check=True, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {"seconds": round(seconds, 2)}
    if not workers:
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found["processor"] = round(used, 2)
        found["a_shard"] = round(span(out) / max(len(shards) - 1, 1), 3)
    return found


if __name__ == "__main__":
    main()
