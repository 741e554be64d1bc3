"""The demo: real photos and real classifiers from installed packages, hidden and repaired."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.cli import parser
from jaxanon.cli.adaptation_run import carry_out
from jaxanon.cli.anonymize import anonymizing_task
from jaxanon.cli.arguments import DEMO_SOURCES, DEMO_TARGET
from jaxanon.cli.common import Loader, among, keep_apart, load_all
from jaxanon.display.tables import table
from jaxanon.errors import UsageError
from jaxanon.io.images import read_image
from jaxanon.io.packaged import demo_photos
from jaxanon.metrics import percent
from jaxanon.pipeline.page import PAGE
from jaxanon.pipeline.report import Report
from jaxanon.runtime import compilation

SOURCES, TARGET = DEMO_SOURCES.split(","), DEMO_TARGET
METHOD, STRENGTH = "pixelate", 8
SHOWN = ("fast", "transfer")
"""Presets that are compared."""

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
    loaded = dict(zip([*SOURCES, TARGET], load([*SOURCES, TARGET], quiet=args.quiet), strict=True))
    _say_accuracies(Ensemble([*loaded.values()]), labelled, say)
    paths = [path for path, _ in labelled]
    reports = {preset: _repair(preset, paths, loaded, args) for preset in SHOWN}
    say("")
    say(
        f"{METHOD}, strength {STRENGTH}: share of photos on which each classifier decides as on the"
    )
    say(f"original, read off the saved files; repaired: of those that {METHOD} had changed\n")
    say(_compared(reports))
    for preset, report in reports.items():
        seconds = report["summary"]["seconds"]
        say(f"{preset}: {seconds:.0f} s for {len(paths)} photos, {args.output / preset / PAGE}")
    say(f"done in {time.perf_counter() - begin:.0f} s, loading and compilation included")
    return 1 if any(report["summary"]["failed"] for report in reports.values()) else 0


def _say_accuracies(ensemble: Ensemble, labelled: Sequence[tuple[Path, int]], say: Say) -> None:
    """How many of the labelled photos each classifier decides rightly on."""
    decided = ensemble.decide([read_image(path) for path, _ in labelled])
    labels = [label for _, label in labelled]
    for classifier, decisions in zip(ensemble.classifiers, decided, strict=True):
        right = int((decisions == labels).sum())
        name, config = classifier.name, classifier.config
        say(f"  {name}: {right} of {len(labels)} right on the originals ({config.licence})")


def _repair(
    preset: str, paths: Sequence[Path], loaded: Mapping[str, Classifier], args: Namespace
) -> Report:
    """Anonymize and adapt all photos, as `jaxanon anonymize` does; returns the report."""
    words = ["anonymize", *map(str, paths), "-o", str(args.output / preset)]
    words += ["--method", METHOD, "--strength", str(STRENGTH), "--preset", preset]
    words += ["--sources", ",".join(SOURCES), "--targets", TARGET, "--overwrite"]
    words += ["--with-originals", *(["--quiet"] if args.quiet else [])]  # they are in a package
    run = parser().parse_args(words)
    return carry_out(run, *anonymizing_task(run), among(loaded))


def _compared(reports: Mapping[str, Report]) -> str:
    """Concordance per classifier, on the anonymized images and under each preset."""
    *_, last = reports.values()
    rows = []
    for each in last["classifiers"]:
        name = each["name"]
        shares = [report["summary"]["concordance"][name] for report in reports.values()]
        cells = [shares[-1]["anonymized"], *(one["adapted"] for one in shares)]
        rows.append([name, each["role"], *map(percent, [*cells, shares[-1]["repair"]])])
    head = ["classifier", "role", "anonymized", *reports, "repaired"]
    return table(head, rows, ["classifier", "role"])
