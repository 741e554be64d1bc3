"""Images per second of a run over shards by each engine, in turn, on the same images.

    python scripts/benchmarks/compare_engines.py [--images 200] [--shards 3] [--side 64]
        [--rounds 3] [--workers 1] [--classifier tf_efficientnet_lite0] [--json FILE]

Each run is a process of its own, as users start it, with a warm cache of compiled programs.
Images per second are counted from the first finished shard to the last one, so without start and
loading, but with reading and writing; seconds are those of the whole process. Ray's workers have
niceness 0, unless RAY_worker_niceness says otherwise. Needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jaxanon.io.packaged import demo_photos

PROGRAM = "import sys; from jaxanon.cli import main; sys.exit(main())"
"""What the command runs, for the interpreter that runs this."""


def main() -> None:
    """Run both engines in turn and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, default=200, help="per shard")
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--side", type=int, default=64, help="of the images, in pixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--classifier", default="tf_efficientnet_lite0")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jaxanon-engines-") as name:
        folder = Path(name)
        shards = [
            write_shard(folder / f"s{i}.tar", i, args.images, args.side) for i in range(args.shards)
        ]
        found: dict[str, list[dict[str, float]]] = {"local": [], "ray": []}
        for round_ in range(args.rounds + 1):
            for engine, rows in found.items():
                row = measure(engine, shards, folder / f"{engine}-{round_}", args)
                if round_:  # the first one fills the cache of compiled programs
                    rows.append(row)
                    print(round_, engine, row, flush=True)
    names = found["local"][0]
    medians = {
        engine: {name: statistics.median(row[name] for row in rows) for name in names}
        for engine, rows in found.items()
    }
    ratio = medians["ray"]["images_per_second"] / medians["local"]["images_per_second"]
    result: dict[str, Any] = {
        "what": {name: value for name, value in vars(args).items() if name != "json"},
        "cores": os.cpu_count(),
        "rounds": found,
        "medians": medians,
        "ray_of_local": round(ratio, 3),
    }
    print(json.dumps({"medians": medians, "ray_of_local": result["ray_of_local"]}, indent=1))
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


def write_shard(path: Path, number: int, images: int, side: int) -> Path:
    """A shard of small crops of the demo's photos."""
    photos = [np.asarray(Image.open(photo).convert("RGB")) for photo, _ in demo_photos()]
    rng = np.random.default_rng(number)
    with tarfile.open(path, "w") as tar:
        for i in range(images):
            photo = photos[i % len(photos)]
            top, left = (int(rng.integers(0, length - side)) for length in photo.shape[:2])
            data = io.BytesIO()
            Image.fromarray(photo[top : top + side, left : left + side]).save(data, "png")
            info = tarfile.TarInfo(f"{i:06d}.png")
            info.size = data.tell()
            data.seek(0)
            tar.addfile(info, data)
    return path


def measure(
    engine: str, shards: list[Path], out: Path, args: argparse.Namespace
) -> dict[str, float]:
    """One run: images per second of its shards, and seconds of the process."""
    words = ["anonymize", *map(str, shards), "-o", str(out), "--sources", args.classifier]
    words += ["--preset", "fast"]
    if engine == "ray":
        words += ["--engine", "ray", "--workers", str(args.workers)]
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", PROGRAM, *words, "--quiet"], check=True)
    seconds = time.perf_counter() - begin
    images = args.images * (args.shards - 1)
    return {"images_per_second": round(images / span(out), 3), "seconds": round(seconds, 2)}


def span(out: Path) -> float:
    """Seconds from the first finished shard of a run to the last one."""
    times = [path.stat().st_mtime for path in (out / "manifest").glob("*.tar.json")]
    return max(times) - min(times)


if __name__ == "__main__":
    main()
