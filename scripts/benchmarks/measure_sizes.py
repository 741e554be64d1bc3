"""Bytes of adapted images in each format, and of their originals.

    python scripts/benchmarks/measure_sizes.py --photos DIR [--json FILE]

Photos are scaled to 500x375 pixels first, as JPEG of quality 90, and then blurred and adapted to
one source with the preset `fast`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from itertools import islice
from pathlib import Path

from PIL import Image

from jaxanon.cli import main as jaxanon

SIZE, MOST = (500, 375), 8
"""Width and height of the photos, and how many are used."""
SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


def main() -> None:
    """Adapt, and print means."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jaxanon-sizes-") as name:
        photos, out = Path(name) / "photos", Path(name) / "out"
        photos.mkdir()
        for path in islice(sorted(args.photos.glob("*.jpg")), MOST):
            with Image.open(path) as image:
                scaled = image.convert("RGB").resize(SIZE, Image.Resampling.BICUBIC)
            scaled.save(photos / path.name, quality=90)
        told = {
            "photos": len(list(photos.iterdir())),
            "size": SIZE,
            "original": mean(photos, ".jpg"),
        }
        for form, suffix in SUFFIXES.items():
            words = ["anonymize", photos, "-o", out / form, "--preset", "fast", "--format", form]
            words += ["--sources", "tf_efficientnet_lite0", "--quiet"]
            if jaxanon([str(word) for word in words]):
                sys.exit(f"{form}: some images failed")
            told[form] = mean(out / form, suffix)
    print(json.dumps(told, indent=1))
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")


def mean(folder: Path, suffix: str) -> int:
    """Mean size of the files of a kind in a folder, in bytes."""
    return round(statistics.mean(path.stat().st_size for path in folder.rglob(f"*{suffix}")))


if __name__ == "__main__":
    main()
