"""One round of `compare_attacks.py`: every row on the same photos and source, in turn."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ablation_results import bits
from attack_peers import Result, Victim, run_attack
from attack_results import Measured, Round
from attack_rows import PEERS, settings_of
from attack_views import enlarged, seen_by

from jaxanon.adaptation.settings import Settings
from jaxanon.anonymizers import Anonymizer
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.preprocessing import look
from jaxanon.cli.common import load_all
from jaxanon.errors import ImageError
from jaxanon.io.images import encode, read_image
from jaxanon.io.kinds.folders import InputFile
from jaxanon.io.results import OutputFolder
from jaxanon.metrics import difference
from jaxanon.pipeline.report import Report
from jaxanon.pipeline.whole import bare_run, whole_items
from jaxanon.regions.region import Region

REST = 0.2
"""Seconds before each turn: the other's threads go on for a while."""


class Batch(NamedTuple):
    """The photos of a round, adapted to one source.

    Attributes:
        paths: where they lie.
        anonymized: what is left of them, `(H, W, 3)` uint8 each.
        reference: `(classifiers, photos)` int, all decisions on the originals.
        source: index of the classifier to adapt to.
    """

    paths: Sequence[Path]
    anonymized: list[np.ndarray]
    reference: np.ndarray
    source: int


class Clock:
    """Wall time, and time of the processor on all threads, since it was made; seconds."""

    def __init__(self) -> None:
        self._begin = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """Both times."""
        return time.perf_counter() - self._begin[0], time.process_time() - self._begin[1]


class Bench:
    """All classifiers, as ours and as the peers', and an anonymizer.

    Args:
        names: of the classifiers, with `@PATH` or not.
        anonymizer: what hides.
    """

    def __init__(self, names: Sequence[str], anonymizer: Anonymizer) -> None:
        self.everyone = Ensemble(load_all(names))
        self.anonymizer = anonymizer
        self.configs = [each.config for each in self.everyone.classifiers]
        self.victims = [Victim(*each) for each in zip(names, self.configs, strict=True)]

    def batch(self, paths: Sequence[Path], source: int) -> Batch:
        """Photos, read, anonymized and decided on."""
        originals = [read_image(path) for path in paths]
        hidden = [self.anonymizer(original, Region()).pixels for original in originals]
        return Batch(paths, hidden, self.everyone.decide(originals), source)

    def warm_up(self, batch: Batch, row: str) -> float:
        """One step of a row, compilation included; seconds."""
        clock = Clock()
        if row in PEERS:
            self._attacked(row, batch, 1)
        else:
            with tempfile.TemporaryDirectory() as folder:
                self._adapted(settings_of(row, 1), batch, Path(folder))
        return clock.read()[0]

    def round(self, batch: Batch, rows: Sequence[str]) -> Round:
        """Every row on the same photos and source, one after the other."""
        made: dict[str, Measured] = {}
        for row in rows:
            time.sleep(REST)
            with tempfile.TemporaryDirectory() as folder:
                run = self.peer if row in PEERS else self.ours
                made[row] = run(row, batch, Path(folder))
            kept, seconds = made[row]["kept"].values(), made[row]["cpu_seconds"]
            print(f"  {row:20s} {seconds:6.1f} s  {'  '.join(kept)}", flush=True)
        reference = batch.reference
        return {
            "source": self.everyone.names[batch.source],
            "photos": [path.name for path in batch.paths],
            "anonymized": self._kept(self.everyone.decide(batch.anonymized), reference),
            "agree": self._kept(reference, reference[batch.source][None]),
            "rows": made,
        }

    def peer(self, row: str, batch: Batch, folder: Path) -> Measured:
        """A peer's attack on the source's views; the views are saved and judged, and as photos."""
        clock = Clock()
        before, result = self._attacked(row, batch, PEERS[row].steps)
        seconds, cpu_seconds = clock.read()
        views = saved(result.images, folder / "views")
        photos = saved(
            [
                enlarged(*each, self.configs[batch.source])
                for each in zip(views, before, batch.anonymized, strict=True)
            ],
            folder / "photos",
        )
        shown = [[seen_by(view, config) for config in self.configs] for view in views]
        return {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "steps": float(result.steps),
            "gradients": float(result.gradients),
            "psnr": mean_psnr(views, before),
            "kept": self._kept(self.everyone.decide_from_views(shown), batch.reference),
            "enlarged": self._kept(self.everyone.decide(photos), batch.reference),
            "enlarged_psnr": mean_psnr(photos, batch.anonymized),
            "host_seconds": None,
        }

    def ours(self, row: str, batch: Batch, folder: Path) -> Measured:
        """Our run, from photos to verified files; these are judged once more, by everyone."""
        settings = settings_of(row)
        clock = Clock()
        report = self._adapted(settings, batch, folder)
        seconds, cpu_seconds = clock.read()
        images = [read_image(folder / f"{i}.png") for i in range(len(batch.paths))]
        steps = float(np.mean([image["steps"] for image in report["images"]]))
        return {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "steps": steps,
            "gradients": steps * settings.gradients,
            "psnr": mean_psnr(images, batch.anonymized),
            "kept": self._kept(self.everyone.decide(images), batch.reference),
            "enlarged": None,
            "enlarged_psnr": None,
            "host_seconds": dict(report["timing"]["host_seconds"]),
        }

    def _attacked(
        self, row: str, batch: Batch, steps: int | None
    ) -> tuple[list[np.ndarray], Result]:
        """The source's views of the anonymized photos, and what a peer made of them."""
        source = batch.source
        views = [look(image, self.configs[source]) for image in batch.anonymized]
        attack = PEERS[row]._replace(steps=steps)
        return views, run_attack(attack, self.victims[source], views, batch.reference[source])

    def _adapted(self, settings: Settings, batch: Batch, folder: Path) -> Report:
        """The report of our run over the photos.

        Raises:
            ImageError: when an image fails.
        """
        images = [InputFile(path, Path(f"{i}{path.suffix}")) for i, path in enumerate(batch.paths)]
        results = OutputFolder(folder)
        items = whole_items(images, results, self.anonymizer)
        source = self.everyone.classifiers[batch.source]
        report = bare_run(results, items, [source], [], settings).execute()
        failed = [each["error"] for each in report["images"] if each["status"] == "failed"]
        if failed:
            raise ImageError("\n".join(map(str, failed)))
        return report

    def _kept(self, decisions: np.ndarray, reference: np.ndarray) -> dict[str, str]:
        """Classifier -> `bits` of the photos with the reference decision."""
        return dict(zip(self.everyone.names, map(bits, decisions == reference), strict=True))


def saved(images: Sequence[np.ndarray], folder: Path) -> list[np.ndarray]:
    """What images `(H, W, 3)` uint8 are when they come back from PNG files."""
    folder.mkdir()
    places = [folder / f"{i}.png" for i in range(len(images))]
    for image, place in zip(images, places, strict=True):
        place.write_bytes(encode(image, "png"))
    return [read_image(place) for place in places]


def mean_psnr(images: Sequence[np.ndarray], before: Sequence[np.ndarray]) -> float:
    """Mean PSNR of images against others of their sizes, in dB; equal ones are left out."""
    found = [difference(*pair)[1] for pair in zip(images, before, strict=True)]
    return float(np.mean([each for each in found if each is not None]))
