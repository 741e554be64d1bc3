"""What makes adapted images transfer: methods and their combinations, on photos, in saved files.

For every set of sources out of the classifiers given, photos are anonymized, adapted under each
row of `ablation_rows.ROWS`, saved, and decided on by all classifiers; the figures are those of the
files. The intervals are bootstrapped over photos (a photo's outcomes for all pairs of source and
target, and all seeds, go together). The row for a target is also chosen on the *other* targets, so
that the choice does not profit from the figure it is judged by.

    python scripts/experiments/ablate_transfer.py --quick
    python scripts/experiments/ablate_transfer.py --photos DIR --rows all --json FILE
    python scripts/experiments/ablate_transfer.py --classifiers resnet18@DIR,mobilenetv2_100@DIR2
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import numpy as np
from ablation_plot import check_matplotlib, plot
from ablation_report import compared, line_of, show
from ablation_results import PRESET, Ablation, MeasuredRow, MeasuredRun, bits
from ablation_rows import recorded, rows_of, settings_of, still_holds

from jaxanon.adaptation.settings import Settings
from jaxanon.anonymizers import anonymize, make, whole_image_methods
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.cli.common import check_side_files, load_all, split_names
from jaxanon.cli.options import DEFAULT_SOURCES
from jaxanon.errors import ImageError, JaxanonError, UsageError
from jaxanon.evaluation.changes import changes
from jaxanon.io.files import write_json
from jaxanon.io.images import read_image
from jaxanon.io.kinds.folders import Folders, InputFile
from jaxanon.io.packaged import demo_photos
from jaxanon.io.results import FilePlace, OutputFolder
from jaxanon.pipeline.item import Item, LoadedImage
from jaxanon.pipeline.whole import bare_run
from jaxanon.privacy.examine import likeness
from jaxanon.regions.region import Region
from jaxanon.runtime import compilation, memory

RECORD = Path(__file__).parents[2] / "docs" / "benchmarks" / "transfer.json"
CHANGES = "jpeg75,jpeg90,resize,flip,crop,rotate"


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Methods for transfer, compared on photos.",
        epilog="example: python scripts/experiments/ablate_transfer.py --quick --photos photos",
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="compare with what is on record, photo by photo")
    add("--photos", nargs="+", type=Path, default=[], metavar="PATH", help="with the packaged ones")
    add("--only", action="store_true", help="without the packaged ones")
    add("--classifiers", default=DEFAULT_SOURCES, metavar="A,B,C", help="default: %(default)s")
    add("--method", default="blur", choices=whole_image_methods(), help="default: %(default)s")
    add("--strength", type=float, metavar="X", help="of the anonymizer")
    add("--half", action="store_true", help="hide half of the middle alone, where objects are")
    add("--number", type=int, default=1, metavar="N", help="sources at once (default: 1)")
    add(
        "--rows",
        default=PRESET,
        metavar="A;B",
        help="names of rows, or all that make sense for one source",
    )
    add("--seeds", default="0", metavar="0,1", help="default: %(default)s")
    add("--json", type=Path, metavar="FILE", help="add the results to this file")
    add("--plot", type=Path, metavar="FILE.png", help="draw them (needs matplotlib)")
    return parser


def half_of_the_middle(height: int, width: int) -> Region:
    """The left half of the middle 70 % of an image: half of what it shows, most often."""
    core = np.zeros((height, width), bool)
    core[height * 15 // 100 : height * 85 // 100, width * 15 // 100 : width // 2] = True
    return Region(core, core)


def load(path: Path, method: str, strength: float | None, *, half: bool) -> LoadedImage:
    """A photo and what the anonymizer leaves of it."""
    original = read_image(path)
    region = half_of_the_middle(*original.shape[:2]) if half else Region()
    return LoadedImage(
        original, anonymize(original, method, region=region, strength=strength), region.mask
    )


def adapt(
    args: argparse.Namespace,
    paths: Sequence[Path],
    sources: Sequence[Classifier],
    targets: Sequence[Classifier],
    settings: Settings,
    folder: Path,
) -> MeasuredRun:
    """Adapt all photos to one set of sources, and see what is decided on the saved files.

    Args:
        args: anonymizer: `method`, `strength` and `half`.
        paths: photos.
        sources: classifiers to adapt to.
        targets: classifiers that are held out.
        settings: settings of the loop.
        folder: where the files are saved.
    """
    read = partial(load, method=args.method, strength=args.strength, half=args.half)
    places = [folder / f"{i}.png" for i in range(len(paths))]
    items = [
        Item(InputFile(path, path), FilePlace(place), partial(read, path))
        for path, place in zip(paths, places, strict=True)
    ]
    run = bare_run(OutputFolder(folder), items, sources, targets, settings)
    records = run.execute()["images"]
    failed = [record["error"] for record in records if record["status"] == "failed"]
    if failed:
        raise ImageError("\n".join(failed))
    names, adapted_to = run.stages.ensemble.names, run.stages.sources
    reference = {name: _decisions(records, name, "reference") for name in names}
    saved = [read_image(place) for place in places]
    before = [read(path).anonymized for path in paths]
    alike = [likeness(a, b)["ssim"] for a, b in zip(before, saved, strict=True)]
    apart = [ciede2000(a, b) for a, b in zip(before, saved, strict=True)]
    steps = float(np.mean([record["steps"] for record in records]))
    wanted = np.stack([reference[name] for name in adapted_to.names])
    return {
        "sources": adapted_to.names,
        "seed": settings.seed,
        "gradients": steps * gradients_a_step(settings, len(sources)),
        "psnr": float(np.mean([r["psnr"] for r in records if r["psnr"] is not None])),
        "ssim": float(np.mean(alike)),
        "ciede": float(np.mean(apart)),
        "anonymized": _kept(records, reference, "anonymized"),
        "adapted": _kept(records, reference, "adapted"),
        "under": {
            name: [bits(kept) for kept in adapted_to.decide(list(map(change, saved))) == wanted]
            for name, change in changes(CHANGES).items()
        },
    }


def ciede2000(one: np.ndarray, other: np.ndarray) -> float:
    """Mean difference in colour, as eyes see it, of two uint8 images (Sharma et al., 2005)."""
    from skimage.color import deltaE_ciede2000, rgb2lab

    return float(deltaE_ciede2000(rgb2lab(one), rgb2lab(other)).mean())


def gradients_a_step(settings: Settings, sources: int) -> float:
    """Gradients of one source that a step takes; on average, where sources are drawn."""
    if not settings.draws:
        return settings.gradients
    final = settings.final_fraction  # at most so many are made on all sources
    return settings.gradients * ((1 - final) / sources + final)


def _kept(
    records: Sequence[dict[str, Any]], reference: dict[str, np.ndarray], stage: str
) -> dict[str, str]:
    """Classifier -> `bits` of the photos on which its decision is the reference decision."""
    return {
        name: bits(_decisions(records, name, stage) == wanted) for name, wanted in reference.items()
    }


def _decisions(records: Sequence[dict[str, Any]], name: str, stage: str) -> np.ndarray:
    return np.array([record["decisions"][name][stage] for record in records])


def photos_of(args: argparse.Namespace) -> list[Path]:
    """The packaged photos, unless `--only` leaves them out, and the images under `--photos`.

    Raises:
        UsageError: if there are none.
    """
    paths = [] if args.only else [path for path, _ in demo_photos()]
    given = [file.path for file in Folders(args.photos)] if args.photos else []
    paths += [path for path in given if (guess_type(path.name)[0] or "").startswith("image/")]
    if not paths:
        raise UsageError("no photos: --only leaves those under --photos alone")
    return paths


def blank(
    args: argparse.Namespace, paths: Sequence[Path], loaded: Sequence[Classifier]
) -> Ablation:
    """The result before any row is measured."""
    ensemble = Ensemble(loaded)
    decisions = ensemble.decide([read_image(path) for path in paths])
    return {
        "photos": [path.name for path in paths],
        "method": args.method + (" of half of the middle" if args.half else ""),
        "strength": args.strength,
        "number": args.number,
        "classifiers": {c.name: Path(c.config.origin).name for c in loaded},  # no machine's path
        "decisions": {
            name: " ".join(map(str, row))
            for name, row in zip(ensemble.names, decisions.tolist(), strict=True)
        },
        "rows": {},
    }


def measure(
    args: argparse.Namespace, paths: Sequence[Path], loaded: Sequence[Classifier]
) -> dict[str, MeasuredRow]:
    """Name -> row, of the rows asked for, each measured for all sets of sources and seeds."""
    rows: dict[str, MeasuredRow] = {}
    for row in rows_of(args.rows):
        begin, runs = time.perf_counter(), list[MeasuredRun]()
        for seed in seeds_of(args.seeds):
            for chosen in combinations(loaded, args.number):
                targets = [c for c in loaded if c not in chosen]
                with tempfile.TemporaryDirectory() as folder:
                    settings = settings_of(row, seed)
                    runs.append(adapt(args, paths, chosen, targets, settings, Path(folder)))
        seconds = round(time.perf_counter() - begin, 1)
        rows[row] = {"settings": recorded(row), "seconds": seconds, "runs": runs}
        print(line_of(row, rows[row]), flush=True)
    return rows


def seeds_of(text: str) -> list[int]:
    """The seeds in a text such as `0,1`.

    Raises:
        UsageError: when one is no whole number.
    """
    try:
        return [int(part) for part in split_names(text)]
    except ValueError:
        raise UsageError(f"--seeds {text}: give whole numbers, as in 0,1,2") from None


def key(result: Ablation) -> str:
    """Name of a result in a file of several."""
    names = "+".join(name.split(".")[0] for name in result["classifiers"])
    strength = "" if result["strength"] is None else f" {result['strength']:g}"
    return f"{names}; {result['method']}{strength}; {result['number']} source(s)"


def merged(earlier: dict[str, Ablation], result: Ablation) -> dict[str, Ablation]:
    """Earlier results with a new one, which keeps their rows where the settings are the same."""
    before = earlier[key(result)]["rows"] if key(result) in earlier else {}
    still = {name: row for name, row in before.items() if still_holds(name, row["settings"])}
    rows = still | result["rows"]
    return earlier | {key(result): {**result, "rows": rows}}


def earlier_of(args: argparse.Namespace) -> dict[str, Ablation]:
    """The results that the file of `--json` holds already.

    Raises:
        UsageError: when it holds something else.
    """
    if not (args.json and args.json.exists()):
        return {}
    try:
        found: dict[str, Ablation] = json.loads(args.json.read_text())
        return found
    except ValueError as error:
        raise UsageError(f"--json {args.json} holds no results: {error}") from None


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 if `--quick` found other figures than those on record."""
    args = arguments().parse_args(words)
    memory.keep_freed()
    compilation.enable_compilation_cache()
    try:
        args.strength = make(args.method, strength=args.strength).recorded()["strength"]
        rows_of(args.rows), seeds_of(args.seeds)
        if args.quick and args.rows != PRESET:
            raise UsageError(f"--quick measures the row {PRESET} alone; leave --rows out")
        if args.plot:
            check_side_files([args.plot], args.photos, overwrite=True)
            check_matplotlib()
        earlier = earlier_of(args)
        paths, loaded = photos_of(args), load_all(split_names(args.classifiers))
        if not 0 < args.number < len(loaded):
            raise UsageError(f"--number is {args.number}; it must leave a target of {len(loaded)}")
        result = blank(args, paths, loaded)
        if args.json and earlier.get(key(result), result)["photos"] != result["photos"]:
            raise UsageError(f"--json {args.json} holds this of other photos; name another file")
        result["rows"] = measure(args, paths, loaded)
    except JaxanonError as error:
        print(error, file=sys.stderr)
        return 2
    results = merged(earlier, result)
    print(f"\n{show(results[key(result)])}")
    if args.json:
        write_json(args.json, results)
    if args.plot:
        plot(results[key(result)]).savefig(args.plot, dpi=110)
    if not args.quick:
        return 0
    text, agrees = compared(result, json.loads(RECORD.read_text()).get(key(result)))
    print(text)
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
