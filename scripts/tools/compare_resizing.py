"""Whether views made on the device are Pillow's to the bit, on photos of many sizes.

    python scripts/tools/compare_resizing.py FOLDER [--count 500]

The photos in turn, cut and scaled to random sizes, through every preprocessing of the zoo; exit
status 1 where a value differs.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from jaxanon.classifiers import registry
from jaxanon.classifiers.preprocessing import look
from jaxanon.classifiers.resizer import Resizer
from jaxanon.io.images import read_image
from jaxanon.runtime.devices import mesh

BATCH = 4
MOST = 768
"""Longest side, in pixels."""


def photo(path: Path, rng: np.random.Generator) -> np.ndarray:
    """A photo at a random size of random shape, `(H, W, 3)` uint8."""
    width, height = (int(side) for side in np.exp(rng.uniform(np.log(16), np.log(MOST), 2)))
    return np.asarray(Image.fromarray(read_image(path)).resize((width, height)))


def main() -> None:
    """Compare, and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500)
    args = parser.parse_args()
    paths = sorted(args.folder.glob("*.jpg"))
    rng = np.random.default_rng(0)
    configs = [entry.config for entry in registry.ENTRIES.values()]
    resize = Resizer(configs, mesh(1))
    different = left = 0
    for start in range(0, args.count, BATCH):
        names = [paths[i % len(paths)] for i in range(start, min(start + BATCH, args.count))]
        images = [photo(path, rng) for path in names]
        for_host = [not resize.takes(image) for image in images]
        left += sum(for_host)
        for config, views in zip(
            resize.configs, resize(resize.given(images, BATCH)).fetched(), strict=True
        ):
            for path, image, view, host in zip(names, images, views, for_host, strict=False):
                if host:
                    continue
                count = int((view != look(image, config)).sum())
                different += count
                if count:
                    print(f"differs: {path.name}, {image.shape}, {config}: {count} values")
    compared = args.count - left
    print(f"{compared} photos, {len(resize.configs)} views each: {different} values differ")
    print(f"{left} photos are left to the host, for some of their views")
    raise SystemExit(different > 0 or compared == 0)


if __name__ == "__main__":
    main()
