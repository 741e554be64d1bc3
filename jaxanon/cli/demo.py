"""The demo: real photos and real classifiers from installed packages, blurred and repaired."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from jaxanon.adaptation.settings import preset
from jaxanon.anonymizers import make
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.cli.common import Loader, keep_apart, load_all
from jaxanon.cli.sheets import write_sheet
from jaxanon.display import tables
from jaxanon.errors import UsageError
from jaxanon.io.files import write_json
from jaxanon.io.images import read_image
from jaxanon.io.kinds.folders import Folders
from jaxanon.io.packaged import demo_photos
from jaxanon.io.results import OutputFolder
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.report import REPORT, Report
from jaxanon.pipeline.run import Run
from jaxanon.pipeline.stages import RunOptions
from jaxanon.pipeline.whole import whole_items
from jaxanon.runtime import compilation

SOURCES = ("tf_efficientnet_lite0", "tf_efficientnet_lite1")
TARGET = "tf_efficientnet_lite2"
METHODS = ("blur", "pixelate")

Say = Callable[[str], None]


def demo(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon demo`."""
    labelled = demo_photos()
    keep_apart(args.output, [])
    if args.output.exists() and any(args.output.iterdir()) and not args.overwrite:
        raise UsageError(f"{args.output} exists; give --overwrite, or another folder with -o")

    def say(text: str) -> None:
        if not args.quiet:
            print(text, flush=True)

    compilation.enable_compilation_cache()
    begin = time.perf_counter()
    say(f"{len(labelled)} ImageNet photos; sources {', '.join(SOURCES)}; held out {TARGET}")
    classifiers = load([*SOURCES, TARGET], quiet=args.quiet)
    _say_accuracies(Ensemble(classifiers), labelled, say)
    paths = [path for path, _ in labelled]
    failed = 0
    for method in METHODS:
        report = _repair(method, paths, classifiers, args, say)
        failed += report["summary"]["failed"]
    say(f"\ndone in {time.perf_counter() - begin:.0f} s, loading and compilation included")
    return 1 if failed else 0


def _say_accuracies(ensemble: Ensemble, labelled: Sequence[tuple[Path, int]], say: Say) -> None:
    """How many of the labelled photos each classifier decides rightly on."""
    decided = ensemble.decide([read_image(path) for path, _ in labelled])
    labels = [label for _, label in labelled]
    for classifier, decisions in zip(ensemble.classifiers, decided, strict=True):
        right = int((decisions == labels).sum())
        name, config = classifier.name, classifier.config
        say(f"  {name}: {right} of {len(labels)} right on the originals ({config.licence})")


def _repair(
    method: str,
    paths: Sequence[Path],
    classifiers: Sequence[Classifier],
    args: Namespace,
    say: Say,
) -> Report:
    """Anonymize and adapt all photos, and show what came of it; returns the report."""
    anonymizer, settings = make(method), preset("fast")
    recorded = anonymizer.recorded()
    folder = args.output / method
    results = OutputFolder(folder)
    items = whole_items(Folders(paths), results, anonymizer, overwrite=True)
    options = {"command": "demo", **recorded, **asdict(settings)}
    journal = Journal(results.lines(JOURNAL), options)
    *sources, target = classifiers
    run = Run(items, sources, [target], settings, journal, RunOptions(quiet=args.quiet))
    report = run.execute()
    write_json(folder / REPORT, report)
    sheet = args.output / f"{method}-sheet.png"
    write_sheet(sheet, items, report, run.stages.ensemble)
    strength = recorded["strength"]
    say(f"\n{method}, strength {strength:g}: share of photos on which each classifier decides")
    say("as on the original, before and after adaptation (read off the saved files)\n")
    say(tables.closing(report))
    say(f"images: {folder}   contact sheet: {sheet}")
    return report
