"""Anonymizers compared: concordance in the saved files, and privacy.

    python scripts/experiments/compare_anonymizers.py WORK [--gan DIR] [--json FILE] [--resume]

Photos: the 20 of the demo. Faces: the first of scikit-image's `lfw_subset`, hidden where
the detector finds them. Each is adapted to EfficientNet-Lite
0 and 1 with both presets, Lite 2 held out; with `transfer` under several seeds, as an attacker may
average such copies. Prints tables in Markdown, and writes all figures with --json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from anonymizers_page import AnonymizerResult, KeptDecisions, page
from PIL import Image, ImageFilter

from jaxanon import cli
from jaxanon.cli.demo import SOURCES, TARGET
from jaxanon.io.files import write_json
from jaxanon.io.packaged import demo_photos
from jaxanon.privacy.report import Findings

SEEDS = {"photos": (0, 1), "faces": (0,)}
FACES = 30
SIDE = 100
"""Faces are 25 pixels wide in the package; they are enlarged, so that blur of strength 6 means
something."""
MEDIAN, BLUR = 31, 16


def cases(gan: Path | None) -> dict[str, tuple[str, list[str]]]:
    """Name of a case -> folder of its pictures, and the options of its anonymizer.

    No options stand for another tool's files.

    Args:
        gan: folder of a trained GAN; None leaves it out.
    """
    found = {
        "blur 6": ("photos", ["--method", "blur"]),
        "pixelate 8": ("photos", ["--method", "pixelate"]),
        "solid": ("photos", ["--method", "solid"]),
        "isr 16x12": ("photos", ["--method", "isr", "--size", "16x12"]),
        f"pairs (Pillow's median of {MEDIAN})": ("photos", []),
    }
    faces = ["--regions", "faces", "--grow", "0"]
    found[f"faces: blur {BLUR}"] = ("faces", ["--method", "blur", "--strength", str(BLUR), *faces])
    if gan:
        found["faces: gan"] = ("faces", ["--method", "gan", "--gan", str(gan), *faces])
    return found


def write_pictures(work: Path) -> None:
    """Write the inputs: photos as they are, faces enlarged, and another tool's anonymization."""
    from skimage.data import lfw_subset

    if (work / "faces").is_dir():
        return  # they come last; written again, they would pass for others

    for name in ("photos", "median"):
        (work / name).mkdir(parents=True, exist_ok=True)
    for path, _ in demo_photos():
        (work / "photos" / path.name).write_bytes(path.read_bytes())
        with Image.open(path) as photo:
            blurred = photo.convert("RGB").filter(ImageFilter.MedianFilter(MEDIAN))
        blurred.save(work / "median" / f"{path.stem}.png")
    part = work / "faces.part"
    part.mkdir(exist_ok=True)
    for i, face in enumerate(lfw_subset()[:FACES]):
        grey = Image.fromarray(np.rint(face * 255).astype(np.uint8))
        large = grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB")
        large.save(part / f"face-{i:03}.png")
    part.rename(work / "faces")


def call(*arguments: object) -> None:
    """Run one command of jaxanon; anything but success ends the script."""
    words = [str(word) for word in arguments]
    print("jaxanon", *words, file=sys.stderr, flush=True)
    if status := cli.main([*words, "--quiet"]):
        raise SystemExit(f"jaxanon {' '.join(words)}: exit status {status}")


@dataclass(frozen=True)
class Case:
    """An anonymizer under comparison.

    Attributes:
        originals: folder of the originals.
        median: folder of their anonymization by another tool.
        folder: folder for all that is made.
        options: options of our anonymizer; none for the other tool's files.
        resume: whether to keep what is there already.
    """

    originals: Path
    median: Path
    folder: Path
    options: Sequence[str]
    resume: bool

    def adapted(self, preset: str, seed: int) -> Path:
        """Folder of the images adapted under a preset and a seed."""
        return self.folder / f"{preset}-{seed}"

    def adapt(self, preset: str, seed: int) -> dict[str, Any]:
        """Adapt all images; the report of the run."""
        to = self.adapted(preset, seed)
        if not (self.resume and (to / "report.json").is_file()):
            loop = ["--preset", preset, "--seed", seed, "--sources", ",".join(SOURCES)]
            loop += ["--targets", TARGET, "--resume" if self.resume else "--overwrite"]
            if self.options:
                if "isr" in self.options and seed:  # copies must show the same view
                    loop += ["--motions", self.adapted("transfer", 0) / "isr.json"]
                hidden = ["--save-anonymized", self.folder / f"anonymized-{preset}-{seed}"]
                call("anonymize", self.originals, "-o", to, *self.options, *hidden, *loop)
            else:
                call("adapt", self.originals, self.median, "-o", to, *loop)
        report: dict[str, Any] = json.loads((to / "report.json").read_text())
        return report

    def examine(self, preset: str, seeds: Sequence[int]) -> Findings:
        """The privacy report of the images of the first seed; the others are averaged with it."""
        to = self.folder / f"privacy-{preset}.json"
        if not (self.resume and to.is_file()):
            before = self.folder / f"anonymized-{preset}-0" if self.options else self.median
            first, *copies = (self.adapted(preset, seed) for seed in seeds)
            more = [word for copy in copies for word in ("--copies", copy)]
            call(
                "privacy", self.originals, first, "--anonymized", before, *more,
                "--json", to, "--overwrite",
            )  # fmt: skip
        result: Findings = json.loads(to.read_text())
        return result


def measure(case: Case, pictures: str) -> AnonymizerResult:
    """Adapt with both presets, and examine both."""
    seeds = SEEDS[pictures]
    fast = case.adapt("fast", 0)
    transfer, *_ = [case.adapt("transfer", seed) for seed in seeds]
    return {
        "pictures": pictures,
        "kept": {"fast": kept_in(fast), "transfer": kept_in(transfer)},
        "privacy": {"fast": case.examine("fast", [0]), "transfer": case.examine("transfer", seeds)},
    }


def kept_in(report: dict[str, Any]) -> KeptDecisions:
    """Concordance and number of images `kept`, from the report of a run."""
    return {
        "images": report["summary"]["images"],
        "kept": sum(image["status"] == "kept" for image in report["images"]),
        "concordance": report["summary"]["concordance"],
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder for pictures and results")
    parser.add_argument("--gan", type=Path, help="what `jaxanon train-gan` has made")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--resume", action="store_true", help="keep what is there already")
    args = parser.parse_args()
    write_pictures(args.work)
    results = {}
    for name, (pictures, options) in cases(args.gan).items():
        folder = args.work / "".join(c if c.isalnum() else "-" for c in name)
        originals, median = args.work / pictures, args.work / "median"
        results[name] = measure(Case(originals, median, folder, options, args.resume), pictures)
        if args.json:
            write_json(args.json, {"results": results})
    for name, text in page(results).items():
        print(f"\n{name}:\n\n{text}")


if __name__ == "__main__":
    main()
