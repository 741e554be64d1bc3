"""Two tables of an earlier study, with our figures beside them, on any photos.

Table 1: adapted to one source, evaluated on ten classifiers. Table 2: adapted to seven sources.
Ours are the shares of photos on which a classifier decides as on the original, on the anonymized
and on the adapted photo; the latter read off the saved file.

    python scripts/experiments/reproduce_tables.py PHOTOS... [-o DIR] [--weights DIR] [--random]
    [options]

Weights come from DIR/NAME (a hub-layout folder) or DIR/NAME.safetensors, where NAME is the
classifier's, with or without its tag, or else from the hub or its cache. `--random` puts random
weights where there are none: a dry run, whose figures mean nothing.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from jaxanon.adaptation.settings import Settings, preset
from jaxanon.anonymizers import make, whole_image_methods
from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.loading import load_classifier
from jaxanon.classifiers.random_weights import RANDOM, random_classifier
from jaxanon.classifiers.weights.hub import MissingError
from jaxanon.cli.common import announce, keep_apart
from jaxanon.display.tables import table
from jaxanon.errors import JaxanonError, UsageError, WeightsError
from jaxanon.io.files import output_names, write_json
from jaxanon.io.kinds.folders import Folders
from jaxanon.io.results import FilePlace, OutputFolder
from jaxanon.metrics import percent
from jaxanon.pipeline.item import Item
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.report import REPORT
from jaxanon.pipeline.run import Run
from jaxanon.pipeline.whole import load_whole


class Row(NamedTuple):
    """A line of the study: its name of a classifier, ours, and its figure."""

    study: str
    architecture: str
    kept: float


class Table(NamedTuple):
    """A table of the study; its first `sources` rows are adapted to."""

    key: str
    title: str
    sources: int
    rows: tuple[Row, ...]


_ONE_SOURCE = (
    Row("MobileNetV2_100", "mobilenetv2_100", 100),
    Row("ResNet52", "resnet50", 60.6),
    Row("ResNet101", "resnet101", 69.1),
    Row("ResNet152", "resnet152", 71.9),
    Row("VGG13", "vgg13", 30),
    Row("VGG16", "vgg16", 29.4),
    Row("VGG19", "vgg19", 30.8),
    Row("MobileNetV2_050", "mobilenetv2_050", 32.9),
    Row("MobileNetV2_140", "mobilenetv2_140", 41.8),
    Row("MobileNetV3_large_100", "mobilenetv3_large_100", 19.8),
)
_SEVEN_SOURCES = (
    Row("MobileNetV2_100", "mobilenetv2_100", 100),
    Row("MobileNetV2_140", "mobilenetv2_140", 100),
    Row("ResNet101", "resnet101", 100),
    Row("ResNet152", "resnet152", 100),
    Row("VGG16", "vgg16", 100),
    Row("VGG19", "vgg19", 100),
    Row("Xception61", "xception65", 100),
)
TABLES = {
    "1": Table("table_1", "Table 1: one source", 1, _ONE_SOURCE),
    "2": Table("table_2", "Table 2: seven sources", len(_SEVEN_SOURCES), _SEVEN_SOURCES),
}
NOTES = (
    "ResNet52 is read as resnet50: there is no ResNet of 52 layers.",
    "Xception61 is read as xception65: there are Xceptions of 41, 65 and 71 layers.",
)


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        description="Two tables of an earlier study, with our figures beside them.",
        epilog="example: python scripts/experiments/reproduce_tables.py photos -o tables "
        "--method pixelate",
    )
    add = parser.add_argument
    add("photos", nargs="+", type=Path, metavar="PHOTOS", help="files or folders")
    add("-o", "--output", type=Path, default=Path("tables"), metavar="DIR", help="%(default)s")
    add("--weights", type=Path, metavar="DIR", help="folder of weights, for offline use")
    add("--random", action="store_true", help="random weights where there are none: a dry run")
    methods = whole_image_methods()
    add("--method", default="blur", choices=methods, help="anonymizer (default: %(default)s)")
    add("--strength", type=float, metavar="X", help="of the anonymizer")
    add("--preset", default="fast", help="fast or transfer (default: %(default)s)")
    add("--steps", type=int, metavar="N", help="most gradient steps per image")
    add("--eps", type=int, metavar="N", help="largest change of a pixel, in 1/255")
    add("--seed", type=int, metavar="N")
    add("--tables", default="1,2", metavar="1,2", help="which (default: both)")
    return parser


def local(folder: Path, entry: registry.Entry) -> Path | None:
    """The classifier's weights in a folder of weights, or None."""
    for name in (entry.name, entry.architecture):
        for path in (folder / name, folder / f"{name}.safetensors", folder / f"{name}.pth"):
            if path.exists():
                return path
    return None


def load(architecture: str, args: argparse.Namespace) -> Classifier:
    """A classifier with weights from `--weights`, the hub, or chance.

    Raises:
        WeightsError: when there are none, or unusable ones.
    """
    entry = registry.find(architecture)
    path = local(args.weights, entry) if args.weights else None
    try:
        return load_classifier(architecture, path)
    except MissingError:
        if not args.random:
            raise
        print(f"{architecture}: no weights; RANDOM ones instead", file=sys.stderr)
        return random_classifier(entry)


def load_all(args: argparse.Namespace, wanted: list[str]) -> dict[str, Classifier]:
    """All classifiers, or one error that names all that are missing."""
    found, missing = {}, {}
    for architecture in wanted:
        try:
            found[architecture] = load(architecture, args)
        except MissingError as error:
            missing[registry.find(architecture).name] = str(error).splitlines()[0]
    if missing:
        raise WeightsError(
            f"{len(missing)} of {len(wanted)} classifiers have no weights:\n  "
            + "\n  ".join(missing.values())
            + f"\nwhere there is a network: jaxanon models pull {' '.join(missing)}\n"
            "then run this again, there or with a copy of HF_HOME; or put hub-layout folders of "
            "these names into a folder and give --weights FOLDER; or --random for a dry run"
        )
    return found


def adapt(
    args: argparse.Namespace,
    settings: Settings,
    folder: Path,
    sources: list[Classifier],
    targets: list[Classifier],
) -> dict[str, Any]:
    """Anonymize, adapt, save, verify; the run's report."""
    anonymizer = make(args.method, strength=args.strength)
    photos = list(Folders(args.photos))
    names = output_names([photo.relative for photo in photos], "png")
    items = [
        Item(photo, FilePlace(folder / name, True), partial(load_whole, photo, anonymizer))
        for photo, name in zip(photos, names, strict=True)
    ]
    options = {
        "photos": [str(path) for path in args.photos],
        **anonymizer.recorded(),
        "preset": args.preset,
        **settings.recorded(),
    }
    journal = Journal(OutputFolder(folder).lines(JOURNAL), options)
    report = Run(items, sources, targets, settings, journal).execute()
    write_json(folder / REPORT, report)
    return report


def lines(
    study: Table, report: dict[str, Any], loaded: dict[str, Classifier]
) -> list[dict[str, Any]]:
    """Figures per row: the study's in percent, ours as shares."""
    shares = report["summary"]["concordance"]
    return [
        {
            "study_name": row.study,
            "classifier": loaded[row.architecture].name,
            "role": "source" if i < study.sources else "target",
            "random_weights": loaded[row.architecture].name.endswith(RANDOM),
            "study_percent": row.kept,
            **shares[loaded[row.architecture].name],
        }
        for i, row in enumerate(study.rows)
    ]


def show(title: str, result: list[dict[str, Any]], report: dict[str, Any]) -> str:
    """One table as text."""
    head = ["study's name", "classifier", "role", "study", "ours", "anonymized", "repaired"]
    cells = [
        [
            row["study_name"],
            row["classifier"] + (" (RANDOM)" if row["random_weights"] else ""),
            row["role"],
            f"{row['study_percent']:.1f} %",
            *(percent(row[key]) for key in ("adapted", "anonymized", "repair")),
        ]
        for row in result
    ]
    summary = report["summary"]
    return (
        f"\n{title}\n\n{table(head, cells)}\n{summary['images']} photos, {summary['failed']} "
        f"failed; {summary['seconds']:.0f} s"
    )


def reproduce(args: argparse.Namespace) -> int:
    """Both tables; the exit status is 1 when a photo failed."""
    chosen = set(args.tables.split(","))
    if chosen - set(TABLES):
        raise UsageError(f"--tables is {args.tables!r}; choose 1, 2 or 1,2")
    keep_apart(args.output, args.photos)
    if args.output.exists() and any(args.output.iterdir()):
        raise UsageError(f"{args.output} exists and is not empty; choose another with -o")
    Folders(args.photos)
    settings = preset(args.preset, eps=args.eps, steps=args.steps, seed=args.seed)
    announce()
    tables = [TABLES[key] for key in sorted(chosen)]
    wanted = dict.fromkeys(row.architecture for study in tables for row in study.rows)
    loaded = load_all(args, list(wanted))
    print("\n".join(NOTES), flush=True)
    results: dict[str, Any] = {"notes": NOTES, "settings": {}}
    failed = 0
    for study in tables:
        classifiers = [loaded[row.architecture] for row in study.rows]
        sources, targets = classifiers[: study.sources], classifiers[study.sources :]
        report = adapt(args, settings, args.output / study.key, sources, targets)
        results["settings"] = report["settings"]
        results[study.key] = lines(study, report, loaded)
        print(show(study.title, results[study.key], report), flush=True)
        failed += report["summary"]["failed"]
    if any(classifier.name.endswith(RANDOM) for classifier in loaded.values()):
        print("\nRANDOM WEIGHTS took part: these figures mean nothing.")
    write_json(args.output / "tables.json", results)
    print(f"\nthe study's photos and anonymizer are not known to us; written: {args.output}")
    return 1 if failed else 0


def main() -> int:
    """Run; 2 is wrong usage or missing weights."""
    try:
        return reproduce(arguments().parse_args())
    except JaxanonError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
