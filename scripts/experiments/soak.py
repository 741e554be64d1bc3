"""Adapt many small images by each engine, and watch the memory of all processes.

    python scripts/experiments/soak.py [--images 20000] [--per-shard 200] [--json FILE]

The images are crops of 64 pixels of the demo's photos, the classifier a MobileNetV3 of that input
size with random weights, so that what is measured is the way of the images. First one process
adapts all shards, then Ray with two workers. The outputs must be the same byte for byte, and pass
`check_run.py`; the resident memory of the driver and of the workers is printed, and what Ray's
object store took. Exit status 1 where outputs differ. Needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from compare_engines import PROGRAM, write_shard
from kill_runs import CHECK, descendants, digests, workers_below
from safetensors.numpy import save_file

from jaxanon.classifiers import registry
from jaxanon.classifiers.random_weights import draw
from jaxanon.classifiers.weights.port import expected

ARCHITECTURE, CLASSES, SIDE = "mobilenetv3_small_050", 100, 64
PAUSE = 5.0
"""Seconds between two looks at the memory."""
Series = list[tuple[float, int, float]]


def main() -> int:
    """Run both engines; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--per-shard", type=int, default=200)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    engines = {"local": (), "ray": ("--engine", "ray", "--workers", "2")}
    with tempfile.TemporaryDirectory(prefix="jaxanon-soak-") as name:
        folder = Path(name)
        weights = write_weights(folder / "weights")
        count = args.images // args.per_shard
        (folder / "in").mkdir()
        for i in range(count):
            write_shard(folder / "in" / f"s{i:05d}.tar", i, args.per_shard, SIDE)
        found = {
            engine: soak(folder, folder / engine, weights, more) for engine, more in engines.items()
        }
        if any(one["status"] for one in found.values()):
            sys.exit("a run failed")
        same = digests(folder / "local") == digests(folder / "ray")
        checks = [
            subprocess.run(
                [sys.executable, CHECK, folder / engine], capture_output=True, text=True
            ).stdout.splitlines()[-1]
            for engine in engines
        ]
    print(f"same bytes: {same}", *checks, sep="\n")
    if args.json:
        told = {
            "images": args.images,
            "per_shard": args.per_shard,
            "same_bytes": same,
            "checks": checks,
            "engines": found,
        }
        args.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0 if same and all(check.startswith("right") for check in checks) else 1


def write_weights(folder: Path) -> Path:
    """Random weights of a small classifier, in timm's layout."""
    entry = registry.find(ARCHITECTURE)
    folder.mkdir()
    state = draw(expected(entry.build(CLASSES, SIDE)))
    save_file(state, folder / "model.safetensors")
    cfg = {"input_size": [3, SIDE, SIDE], "num_classes": CLASSES}
    config = {"architecture": ARCHITECTURE, "num_classes": CLASSES, "pretrained_cfg": cfg}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def soak(folder: Path, out: Path, weights: Path, more: Sequence[str]) -> dict[str, object]:
    """One run: its seconds, and the memory of its processes after so many images."""
    words = ["anonymize", str(folder / "in"), "-o", str(out), "--quiet", "--preset", "fast"]
    words += ["--sources", f"{ARCHITECTURE}@{weights}", *more]
    begin = time.perf_counter()
    run = subprocess.Popen([sys.executable, "-c", PROGRAM, *words], stderr=subprocess.DEVNULL)
    driver: Series = []
    workers: dict[int, Series] = {}
    store = 0
    while run.poll() is None:
        time.sleep(PAUSE)
        seconds = time.perf_counter() - begin
        done = sum(1 for _ in (out / "manifest").glob("s*.json")) if out.exists() else 0
        driver.append((round(seconds, 1), done, resident(run.pid)))
        for pid in workers_below(run.pid):
            workers.setdefault(pid, []).append((round(seconds, 1), done, resident(pid)))
        store = max(store, *map(object_store, descendants(run.pid)), 0)
    seconds = time.perf_counter() - begin
    print(f"{out.name}: {seconds:.0f} s, status {run.returncode}")
    show("driver", driver)
    for pid, series in workers.items():
        show(f"worker {pid}", series)
    print(f"  object store: {store} bytes at most")
    return {
        "seconds": round(seconds, 1),
        "status": run.returncode,
        "object_store_bytes": store,
        "driver": driver,
        "workers": list(workers.values()),
    }


def show(name: str, series: Series) -> None:
    """Print some dozen figures of a process, from its beginning to its end."""
    some = series[:: max(1, len(series) // 12)]
    print(f"  {name}: " + ", ".join(f"{gb:.2f} GB at {shards} shards" for _, shards, gb in some))


def object_store(pid: int) -> int:
    """Bytes that a process of Ray has taken for objects, in the file that its workers share."""
    with suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            if "/plasma" in str(file.readlink()):
                return file.stat().st_blocks * 512
    return 0


def resident(pid: int) -> float:
    """Resident memory of a process in GB; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return round(pages * 4096 / 1e9, 3)


if __name__ == "__main__":
    sys.exit(main())
