"""The demo: real photos and real classifiers from installed packages, blurred and repaired."""

from __future__ import annotations

import time
from argparse import Namespace
from dataclasses import asdict
from functools import partial
from pathlib import Path

from jaxanon.adaptation.settings import preset
from jaxanon.anonymizers.blur import Blur
from jaxanon.anonymizers.pixelate import Pixelate
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.weights.checkpoint import package_folder
from jaxanon.cli.common import Loader, keep_apart, load_all, write_sheet
from jaxanon.display import tables
from jaxanon.errors import UsageError
from jaxanon.io import images
from jaxanon.pipeline.item import Item, load_whole
from jaxanon.pipeline.manifest import REPORT, Journal, write_json
from jaxanon.pipeline.run import Run
from jaxanon.runtime import compilation

SOURCES = ("tf_efficientnet_lite0", "tf_efficientnet_lite1")
TARGET = "tf_efficientnet_lite2"


def photos() -> list[tuple[Path, int]]:
    """The ImageNet photos that the package foolbox ships, each with its class.

    Raises:
        UsageError: when the package is not installed.
    """
    folder = package_folder("foolbox")
    if folder is None:
        raise UsageError("the demo's photos are missing; pip install 'jaxanon[demo]'")
    found = sorted(folder.glob("data/imagenet_*.jpg"))
    return [(path, int(path.stem.split("_")[-1])) for path in found]


def demo(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon demo`."""
    labelled = photos()
    keep_apart(args.output, [])
    if args.output.exists() and any(args.output.iterdir()) and not args.overwrite:
        raise UsageError(f"{args.output} exists; give --overwrite, or another folder with -o")

    def say(text: str) -> None:
        if not args.quiet:
            print(text, flush=True)

    compilation.enable_compilation_cache()
    begin = time.perf_counter()
    say(f"{len(labelled)} ImageNet photos; sources {', '.join(SOURCES)}; held out {TARGET}")
    *sources, target = load_all([*SOURCES, TARGET], quiet=args.quiet)
    targets = [target]
    everyone = Ensemble([*sources, *targets])
    decided = everyone.decide([images.decode(path) for path, _ in labelled])
    labels = [label for _, label in labelled]
    for classifier, decisions in zip(everyone.classifiers, decided, strict=True):
        right = int((decisions == labels).sum())
        name, config = classifier.name, classifier.config
        say(f"  {name}: {right} of {len(labels)} right on the originals ({config.licence})")
    settings, failed = preset("fast"), 0
    for kind in (Blur, Pixelate):
        method, strength = kind.name, kind.Options.strength
        folder = args.output / method
        items = [
            Item(
                path,
                folder / f"{path.stem}.png",
                partial(load_whole, path, method, strength),
                overwrite=True,
            )
            for path, _ in labelled
        ]
        options = {"command": "demo", "method": method, "strength": strength, **asdict(settings)}
        run = Run(
            items,
            sources,
            targets,
            settings,
            "png",
            options,
            Journal(folder, options),
            quiet=args.quiet,
        )
        report = run.execute({})
        write_json(folder / REPORT, report)
        sheet = args.output / f"{method}-sheet.png"
        write_sheet(sheet, items, report, everyone)
        failed += report["summary"]["failed"]
        say(f"\n{method}, strength {strength:g}: share of photos on which each classifier decides")
        say("as on the original, before and after adaptation (read off the saved files)\n")
        say(tables.closing(report))
        say(f"images: {folder}   contact sheet: {sheet}")
    say(f"\ndone in {time.perf_counter() - begin:.0f} s, loading and compilation included")
    return 1 if failed else 0
