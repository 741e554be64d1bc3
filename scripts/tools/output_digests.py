"""Whether saved pixels are bit for bit those on record: for changes that must not change results.

`python scripts/tools/output_digests.py WORK` runs the command line on the demo's photos (blur and
pixelate with `fast`, blur with `transfer` and one source, isr, boxes, pairs, an attack) and
compares the SHA-256 of each saved image's pixels with `output_digests.json` beside this script;
exit status 1 where one differs. `--record` writes that file instead. Rounding depends on the
processor and on the versions of jax and of Pillow, which the file names: on another machine, record
first, on the commit to compare with.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

RECORD = Path(__file__).with_suffix(".json")
ONE = ["--sources", "tf_efficientnet_lite0"]
RUNS = {
    "blur-fast": ["anonymize", "PHOTOS", "--method", "blur"],
    "pixelate-fast": ["anonymize", "PHOTOS", "--method", "pixelate"],
    "blur-transfer": ["anonymize", "PHOTOS", "--method", "blur", "--preset", "transfer", *ONE],
    "isr": [
        "anonymize",
        "PHOTOS",
        "--method",
        "isr",
        "--views",
        "2",
        "--save-views",
        "VIEWS",
        *ONE,
    ],
    "boxes": ["anonymize", "PHOTOS", "--regions", "BOXES", *ONE],
    "solid-jpeg": ["anonymize", "PHOTOS", "--method", "solid", "--format", "jpeg", *ONE],
    "pairs": ["adapt", "PHOTOS", "PAIRS", *ONE],
    "attack": ["attack", "PHOTOS", *ONE],
}
"""Name -> arguments; words in capitals stand for paths."""


def machine() -> dict[str, str]:
    """What rounding depends on."""
    versions = {name: importlib.metadata.version(name) for name in ("jax", "numpy", "pillow")}
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    return {
        "cpu": cpu,
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **versions,
    }


def boxes(photos: Path, file: Path) -> None:
    """A box file for the photos: a box in the middle of each, and one at a corner."""
    from PIL import Image

    entries = []
    for path in sorted(photos.iterdir()):
        with Image.open(path) as image:
            width, height = image.size
        corners = [(0.3, 0.3, 0.7, 0.8), (0.05, 0.1, 0.2, 0.3)]
        found = [
            {"x0": a * width, "y0": b * height, "x1": c * width, "y1": d * height}
            for a, b, c, d in corners
        ]
        entries.append({"url": path.name, "bboxes": found})
    file.write_text(json.dumps(entries))


def digest(path: Path) -> str:
    """SHA-256 of an image's pixels and shape; not of its file, which depends on its compression."""
    from PIL import Image

    with Image.open(path) as file:
        pixels = np.asarray(file)
    return hashlib.sha256(str(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def digests(work: Path) -> dict[str, dict[str, str]]:
    """Run everything; per run, path of each saved file -> SHA-256 of its pixels."""
    from importlib.util import find_spec

    spec = find_spec("foolbox")
    assert spec is not None
    assert spec.origin is not None
    work.mkdir(parents=True, exist_ok=True)
    photos = work / "photos"
    photos.mkdir(exist_ok=True)
    for path in sorted(Path(spec.origin).parent.glob("data/imagenet_*.jpg")):
        (photos / path.name).write_bytes(path.read_bytes())
    boxes(photos, work / "boxes.json")
    found = {}
    for name, given in RUNS.items():
        arguments = given if "--preset" in given else [*given, "--preset", "fast"]
        out = work / name
        places = {
            "PHOTOS": photos,
            "BOXES": work / "boxes.json",
            "VIEWS": work / f"{name}-views",
            "PAIRS": work / "isr" / "view-1",
        }
        words = [str(places.get(word, word)) for word in arguments]
        command = [
            sys.executable,
            "-m",
            "jaxanon",
            *words,
            "-o",
            str(out),
            "--quiet",
            "--overwrite",
        ]
        status = subprocess.run(command, check=False).returncode
        if status:
            raise SystemExit(f"{name}: exit status {status}")
        saved = sorted(path for path in out.rglob("*") if path.suffix in (".png", ".jpg", ".webp"))
        saved += sorted((work / f"{name}-views").rglob("*.png"))
        found[name] = {str(path.relative_to(work)): digest(path) for path in saved}
        print(f"{name}: {len(saved)} files", flush=True)
    return found


def main() -> int:
    """Record or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder for the runs")
    parser.add_argument("--record", action="store_true", help="write the digests on record anew")
    args = parser.parse_args()
    found, here = digests(args.work.resolve()), machine()
    if args.record:
        RECORD.write_text(json.dumps({"machine": here, "digests": found}, indent=1) + "\n")
        print(f"recorded: {RECORD}")
        return 0
    record = json.loads(RECORD.read_text())
    if record["machine"] != here:
        print(f"recorded on another machine: {record['machine']}; this is {here}")
    differing = [
        path
        for name in RUNS
        for path in {*record["digests"][name], *found[name]}
        if record["digests"][name].get(path) != found[name].get(path)
    ]
    for path in sorted(differing):
        print(f"differs: {path}")
    total = sum(map(len, found.values()))
    print(f"{total - len(differing)} of {total} images are bit for bit those on record")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main())
