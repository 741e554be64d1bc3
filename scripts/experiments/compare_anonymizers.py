"""Every anonymizer through the same mill: decisions kept in the saved files, and privacy.

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
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from jaxanon import cli
from jaxanon.cli.demo import SOURCES, TARGET
from jaxanon.io.files import write_json
from jaxanon.io.packaged import demo_photos

SEEDS = {"photos": (0, 1), "faces": (0,)}
FACES = 30
SIDE = 100
"""Faces are 25 pixels wide in the package; they are enlarged, so that blur of strength 6 means
something."""
MEDIAN, BLUR = 31, 16


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
    found[f"faces: blur {BLUR}"] = ("faces", ["--method", "blur", "--strength", str(BLUR), *faces])
    if gan:
        found["faces: gan"] = ("faces", ["--method", "gan", "--gan", str(gan), *faces])
    return found


def write_pictures(work: Path) -> None:
    """The inputs: photos as they are, faces enlarged, and another tool's anonymization."""
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
                if "isr" in options and seed:  # copies must show the same view
                    what += ["--motions", places[0] / "isr.json"]
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
    return {
        "pictures": pictures,
        "kept": kept,
        "privacy": {"fast": examine("fast", []), "transfer": examine("transfer", places[1:])},
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
    """Rank-1 re-identification before and after: by features, under the best of the attacks."""
    lines = [
        "| anonymizer | features | of | anonymized | with the decisions | adapted | worse after |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        rows = result["privacy"][preset]["reidentification"]
        kinds = dict.fromkeys((row["features"], "known" in row["attack"]) for row in rows)
        for features, known in kinds:
            found = [
                row
                for row in rows
                if row["features"] == features and ("known" in row["attack"]) == known
            ]
            best = [
                max(
                    (row["rank1"][stage]["mean"] for row in found if stage in row["rank1"]),
                    default=None,
                )
                for stage in ("anonymized", "told", "adapted")
            ]
            worse = [verdict(row) for row in found]
            label = f"{features} ({found[0]['attack']})" if known else features
            cells = [name, label, str(found[0]["gallery"]), *map(share, best)]
            lines.append(f"| {' | '.join(cells)} | {', '.join(filter(None, worse)) or '-'} |")
    return lines


def verdict(row: dict[str, Any]) -> str | None:
    """The attack's name where it finds more after adaptation; in bold, more than decisions tell."""
    ranks = [row["rank1"], row["rank5"]]
    if not any(rank["difference"]["worse"] for rank in ranks):
        return None
    inside = not any(rank.get("beyond_decisions", {"worse": True})["worse"] for rank in ranks)
    attack = "as published" if row["attack"] == "none" else row["attack"]
    gaps = [
        f"+{100 * rank['difference']['mean']:.0f}{note}"
        for rank, note in zip(ranks, ("", " at rank 5"), strict=True)
        if rank["difference"]["worse"]
    ]
    text = f"{attack} ({gaps[0]})"
    return text if inside else f"**{text}**"


def faces_table(results: dict[str, Any]) -> list[str]:
    """Faces that the detector still finds, and how alike the images are to the originals."""
    lines = [
        "| anonymizer | preset | faces found again, before | after | SSIM, before | after "
        "| PSNR, before | after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        for preset, found in result["privacy"].items():
            faces, alike = found["faces"], found["similarity"]
            stages = ("anonymized", "adapted")
            cells = [name, f"`{preset}`"]
            cells += [share(faces[s]["mean"]) if faces else "-" for s in stages]
            cells += [f"{alike[s]['ssim']['mean']:.3f}" for s in stages]
            cells += [f"{alike[s]['psnr']['mean']:.1f}" for s in stages]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def page(results: dict[str, Any]) -> dict[str, list[str]]:
    """All tables by name, as docs/privacy.md has them."""
    return {
        "kept": kept_table(results),
        "fast": privacy_table(results, "fast"),
        "transfer": privacy_table(results, "transfer"),
        "faces": faces_table(results),
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
        results[name] = measure(args.work, name, pictures, options, resume=args.resume)
        if args.json:
            write_json(args.json, {"results": results})
    for name, lines in page(results).items():
        print(f"\n{name}:\n")
        print("\n".join(lines))


if __name__ == "__main__":
    main()
