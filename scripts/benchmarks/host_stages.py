"""Milliseconds of the host's work for each image, one thread, stage by stage.

    python scripts/benchmarks/host_stages.py [--photos FOLDER] [--json FILE]

What `jaxanon anonymize --method blur` does besides the device's work, in its order, with the
study's seven sources and with one; medians over photos scaled to two sizes. Below them the images
per second of whole runs on all cores, with the device's work taken for nothing (`jaxanon bench`
prints the same for its photos). Without FOLDER the photos are the demo's. Needs no weights.
"""

from __future__ import annotations

import argparse
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy: in a run, each thread has one image

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from compile_for import STUDY
from PIL import Image

from jaxanon.adaptation.problem import prepare
from jaxanon.adaptation.settings import preset
from jaxanon.anonymizers import make
from jaxanon.classifiers import registry
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.random_weights import random_classifier
from jaxanon.display.tables import table
from jaxanon.evaluation import throughput as benchmark
from jaxanon.io.files import write_json, write_part
from jaxanon.io.images import encode, read_image
from jaxanon.io.packaged import demo_photos
from jaxanon.pipeline import ceiling
from jaxanon.pipeline.hiding import Hiding
from jaxanon.regions.region import Region
from jaxanon.runtime import memory
from jaxanon.runtime.devices import mesh

SIZES = ((500, 375), (1024, 683))
T = TypeVar("T")


class Watch:
    """Times of named stages, over images."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def __call__(self, stage: str, call: Callable[[], T]) -> T:
        """Call, and note how long it took."""
        start = time.perf_counter()
        result = call()
        self.seconds.setdefault(stage, []).append(time.perf_counter() - start)
        return result

    def medians(self) -> dict[str, float]:
        """Stage -> milliseconds."""
        return {name: 1e3 * statistics.median(all_) for name, all_ in self.seconds.items()}


def one_image(watch: Watch, path: Path, ensemble: Ensemble) -> None:
    """The host's way of an image, from its file to the views of the saved one."""
    settings, folder = preset("fast"), path.parent
    original = watch("decode", lambda: read_image(path))
    blur = make("blur", strength=6.0)
    anonymized = watch("blur 6", lambda: blur(original, Region()).pixels)
    hiding = watch(
        "check that it is hidden",
        lambda: Hiding.checked(original, anonymized, Region(), may_be_empty=False),
    )
    watch("views of the original", lambda: ensemble.look(original))
    views = watch("views of the anonymized", lambda: ensemble.look(anonymized))
    decisions = np.zeros(len(ensemble.classifiers), int)
    job = watch(
        "prepare", lambda: prepare(path, anonymized, decisions, ensemble, settings, views=views)
    )
    rng = np.random.default_rng(0)
    levels = rng.choice([-8, -4, 0, 4, 8], np.shape(job.problem.below)).astype(np.int16)
    levels = np.clip(levels, -np.int16(1) * job.problem.below, job.problem.above).swapaxes(1, 2)
    adapted = watch("add the perturbation", lambda: job.canvas.add(anonymized, levels))
    data = watch("encode PNG", lambda: encode(adapted, "png"))
    part = watch("write", lambda: write_part(folder / "saved.png", data))
    saved = watch("read back", lambda: read_image(part))
    watch("check that it is still hidden", lambda: hiding.objection(saved))
    watch("views of the saved", lambda: ensemble.look(saved))
    part.unlink()


def measured(
    photos: list[Path], size: tuple[int, int], ensemble: Ensemble
) -> tuple[dict[str, float], dict[str, float]]:
    """Of photos scaled to `size`, width and height: stage -> milliseconds, and images per second.

    Those are given for views made by the host and for views made by the device.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for photo in photos:
            with Image.open(photo) as image:
                scaled = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
            paths.append(Path(folder) / f"{photo.stem}.jpg")
            scaled.save(paths[-1], quality=90)
        for path in paths:  # fills the caches
            one_image(Watch(), path, ensemble)
        watch = Watch()
        for path in 3 * paths:
            one_image(watch, path, ensemble)
        rates = {
            where: round(ceiling.images_per_second(paths, ensemble.classifiers, resize_on=where), 1)
            for where in ("host", "device")
        }
    stages = watch.medians()
    views = sum(time for name, time in stages.items() if name.startswith("views"))
    whole = sum(stages.values())
    return stages | {"whole way": whole, "with views on the device": whole - views}, rates


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--photos", type=Path, help="folder of JPEG files (default: the demo's photos)"
    )
    parser.add_argument("--json", type=Path, help="where to write the figures, over what is there")
    args = parser.parse_args()
    given = [photo for photo, _ in demo_photos()]
    if args.photos:
        found = args.photos.glob("*")
        given = sorted(path for path in found if path.suffix.lower() in (".jpg", ".jpeg"))
        if not given:
            parser.error(f"--photos {args.photos}: no JPEG files there")
    study = Ensemble(
        [random_classifier(registry.find(name)) for name in STUDY.split("+")], mesh=mesh(1)
    )
    memory.keep_freed()
    columns = {
        f"{name}, {size[0]}x{size[1]}": measured(given[:16], size, ensemble)
        for name, ensemble in (("one source", study.first(1)), ("seven", study))
        for size in SIZES
    }
    stages = list(next(iter(columns.values()))[0])
    rows = [[s, *(f"{column[s]:.1f}" for column, _ in columns.values())] for s in stages]
    print(table(["ms per image", *columns], rows))
    rates = {name: rate for name, (_, rate) in columns.items()}
    for where in ("host", "device"):
        found = [f"{rate[where]:.1f}" for rate in rates.values()]
        print(f"images per second, device's work taken for nothing, views on the {where}: {found}")
    if args.json:
        about = {"device": benchmark.hardware(), "photos": len(given[:16])}
        times = {name: column for name, (column, _) in columns.items()}
        write_json(args.json, about | {"milliseconds": times, "images_per_second": rates})


if __name__ == "__main__":
    main()
