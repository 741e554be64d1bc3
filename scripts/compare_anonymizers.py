"""Every anonymizer through the same mill: decisions kept in the saved files, and privacy.

    python scripts/compare_anonymizers.py WORK [--gan DIR] [--json FILE] [--resume]

Photos: the 20 of the demo. Faces: the first of scikit-image's `lfw_subset` (for `gan`, which fills
regions, and beside it the plain methods on the same regions). Each is adapted to EfficientNet-Lite
0 and 1 with both presets, Lite 2 held out; with `transfer` under several seeds, as an attacker may
average such copies. Prints two tables in Markdown, and writes all figures with --json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from jaxanon import cli
from jaxanon.commands.demo import SOURCES, TARGET, photos
from jaxanon.manifest import write_json

SEEDS = {"photos": (0, 1, 2), "faces": (0, 1)}
FACES = 40
SIDE = 100
"""Faces are 25 pixels wide in the package; they are enlarged, so that blur of strength 6 means
something."""
MEDIAN = 31


def cases(gan: Path | None) -> dict[str, tuple[str, list[str]]]:
    """Name -> which pictures, and the options of the anonymizer (none: pairs)."""
    found = {
        "blur 6": ("photos", ["--method", "blur"]),
        "pixelate 8": ("photos", ["--method", "pixelate"]),
        "solid": ("photos", ["--method", "solid"]),
        "isr 16x12": ("photos", ["--method", "isr", "--size", "16x12"]),
        f"pairs (Pillow's median of {MEDIAN})": ("photos", []),
    }
    faces = ["--regions", "faces", "--grow", "0"]
    for name in ("blur 6", "pixelate 8", "solid"):
        found[f"faces: {name}"] = ("faces", [*found[name][1], *faces])
    if gan:
        found["faces: gan"] = ("faces", ["--method", "gan", "--gan", str(gan), *faces])
    return found


def write_pictures(work: Path) -> None:
    """The inputs: photos as they are, faces enlarged, and another tool's anonymization."""
    from skimage.data import lfw_subset

    for name in ("photos", "faces", "median"):
        (work / name).mkdir(parents=True, exist_ok=True)
    for path, _ in photos():
        (work / "photos" / path.name).write_bytes(path.read_bytes())
        with Image.open(path) as photo:
            blurred = photo.convert("RGB").filter(ImageFilter.MedianFilter(MEDIAN))
        blurred.save(work / "median" / f"{path.stem}.png")
    for i, face in enumerate(lfw_subset()[:FACES]):
        grey = Image.fromarray(np.rint(face * 255).astype(np.uint8))
        large = grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB")
        large.save(work / "faces" / f"face-{i:03}.png")


def call(*arguments: object) -> None:
    """One command of jaxanon; anything but success ends the script."""
    words = [str(word) for word in arguments]
    print("jaxanon", *words, file=sys.stderr, flush=True)
    if status := cli.main([*words, "--quiet"]):
        raise SystemExit(f"jaxanon {' '.join(words)}: exit status {status}")


def measure(
    work: Path, name: str, pictures: str, options: Sequence[str], *, resume: bool
) -> dict[str, Any]:
    """Adapt with both presets, and examine both."""
    folder = work / "".join(c if c.isalnum() else "-" for c in name)
    originals = work / pictures
    again = ["--resume"] if resume else ["--overwrite"]
    sources = ["--sources", ",".join(SOURCES), "--targets", TARGET]

    def adapt(to: Path, preset: str, seed: int) -> dict[str, Any]:
        if not (resume and (to / "report.json").is_file()):
            what = ["--preset", preset, "--seed", seed, *sources, *again]
            if options:
                hidden = ["--save-anonymized", folder / f"anonymized-{preset}-{seed}"]
                call("anonymize", originals, "-o", to, *options, *hidden, *what)
            else:
                call("adapt", originals, work / "median", "-o", to, *what)
        report: dict[str, Any] = json.loads((to / "report.json").read_text())
        return report

    def examine(preset: str, copies: Sequence[Path]) -> dict[str, Any]:
        to = folder / f"privacy-{preset}.json"
        if not (resume and to.is_file()):
            before = folder / f"anonymized-{preset}-0" if options else work / "median"
            more = [word for copy in copies for word in ("--copies", copy)]
            call(
                "privacy", originals, folder / f"{preset}-0", "--anonymized", before, *more,
                "--json", to, "--overwrite",
            )  # fmt: skip
        result: dict[str, Any] = json.loads(to.read_text())
        return result

    reports = {"fast": adapt(folder / "fast-0", "fast", 0)}
    places = [folder / f"transfer-{seed}" for seed in SEEDS[pictures]]
    for seed, place in zip(SEEDS[pictures], places, strict=True):
        report = adapt(place, "transfer", seed)
        reports.setdefault("transfer", report)
    kept = {
        preset: {
            "images": report["summary"]["images"],
            "kept": sum(image["status"] == "kept" for image in report["images"]),
            "concordance": report["summary"]["concordance"],
        }
        for preset, report in reports.items()
    }
    # Copies of generated faces show other people: averaging them is no attack on one image.
    averaged = [] if "gan" in options else places[1:]
    return {
        "pictures": pictures,
        "kept": kept,
        "privacy": {"fast": examine("fast", []), "transfer": examine("transfer", averaged)},
    }


def share(value: float | None) -> str:
    """In percent."""
    return "-" if value is None else f"{100 * value:.1f}"


def kept_table(results: dict[str, Any]) -> list[str]:
    """Decisions kept in the saved files."""
    lines = [
        "| anonymizer | images | sources, before | sources kept, `fast` | target, `fast` "
        "| sources kept, `transfer` | target, `transfer` |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        cells = [name, str(result["kept"]["fast"]["images"])]
        for preset in ("fast", "transfer"):
            concordance = result["kept"][preset]["concordance"]
            *sources, target = concordance.values()
            if preset == "fast":
                cells.append(" / ".join(share(s["anonymized"]) for s in sources))
            cells.append(" / ".join(share(s["adapted"]) for s in sources))
            cells.append(f"{share(target['anonymized'])} to {share(target['adapted'])}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def privacy_table(results: dict[str, Any], preset: str) -> list[str]:
    """Rank-1 re-identification before and after, by features; the strongest attack of each."""
    lines = [
        "| anonymizer | features | attack | of | anonymized | with the decisions | adapted "
        "| difference | worse? |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        for row in result["privacy"][preset]["reidentification"]:
            first = row["rank1"]
            gap = first.get("difference")
            if gap is None:
                continue
            told = first.get("told")
            beyond = first.get("beyond_decisions", {"worse": True})["worse"]
            verdict = "no" if not gap["worse"] else "**yes**" if beyond else "not beyond"
            cells = [
                name, row["features"], row["attack"], str(row["gallery"]),
                share(first["anonymized"]["mean"]), share(told["mean"] if told else None),
                share(first["adapted"]["mean"]),
                f"{share(gap['mean'])} ({share(gap['low'])} to {share(gap['high'])})", verdict,
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    return lines


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
        results[name] = measure(args.work, name, pictures, options, resume=args.resume)
        if args.json:
            write_json(args.json, {"results": results})
    print("\n".join(kept_table(results)))
    for preset in ("fast", "transfer"):
        print(f"\n`{preset}`:\n")
        print("\n".join(privacy_table(results, preset)))


if __name__ == "__main__":
    main()
