"""`jaxanon transfer`."""

from __future__ import annotations

from argparse import Namespace

import numpy as np

from jaxanon.classifiers import registry
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.cli.common import Loader, check_side_files, classifiers_named, load_all, looked_at
from jaxanon.display import tables
from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError, UsageError
from jaxanon.evaluation.changes import changes
from jaxanon.evaluation.mistakes import mistakes
from jaxanon.evaluation.transfer import as_json, decide_all, robustness, transfer
from jaxanon.io import files
from jaxanon.io.pairs import Partners, decode_together
from jaxanon.pipeline.manifest import write_json
from jaxanon.runtime import compilation, workers
from jaxanon.runtime.devices import mesh


def evaluate(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon transfer`."""
    names = classifiers_named("--classifiers", args.classifiers)
    originals = files.find([args.originals])
    given = [args.adapted, *([args.anonymized] if args.anonymized else [])]
    folders = [Partners(folder, originals) for folder in given]
    if args.json:
        check_side_files([args.json], [args.originals, *given], overwrite=args.overwrite)
    source = args.source or names[0]
    meant = [name for name in names if source == name] or [n for n in names if _same(source, n)]
    if len(set(meant)) > 1:
        raise UsageError(f"--source {source} is one of {', '.join(meant)}; write it in full")
    if not meant:
        raise UsageError(f"--source {source} is not among --classifiers {args.classifiers}")
    at = names.index(meant[0])
    listed = ",".join(args.under or ())
    try:
        under = {} if args.under is None else changes(listed)
    except UsageError as error:
        raise UsageError(f"--under {listed}: {error}") from None
    compilation.enable_compilation_cache()
    on = mesh(args.devices)
    ensemble = Ensemble(load(names, quiet=args.quiet), mesh=on)
    chosen = ensemble.names[at]
    with compilation.gc_paused():
        ensemble.compile()
    failed: list[str] = []
    progress = Progress(len(originals), quiet=args.quiet)

    def look(original: files.InputFile) -> tuple[Views, ...] | ImageError:
        try:
            partners = [folder.find(original) for folder in folders]
            pictures = decode_together(original, *partners)
        except ImageError as error:
            return error
        try:
            return tuple(
                ensemble.look(change(picture))
                for change in (_as_it_is, *under.values())
                for picture in pictures
            )
        except ImageError as error:
            return ImageError(f"{original.path}: {error}")

    with workers.pool() as threads:
        groups = looked_at(look, originals, threads, ensemble.batch, progress, failed)
        decided = decide_all(ensemble, groups)
    progress.close()
    if not decided:
        raise ImageError(f"no image of {args.originals} could be compared")
    classes = [classifier.config.num_classes for classifier in ensemble.classifiers]
    stages = 2 + bool(args.anonymized)
    reference, adapted = decided[:2]
    anonymized = decided[2] if args.anonymized else None
    rows = transfer(ensemble.names, reference, adapted, anonymized, at, classes)
    result = as_json(rows, chosen, reference.shape[1], failed)
    result |= {"under": robustness(list(under), ensemble.names, decided, stages)} if under else {}
    if args.class_aware:
        fooled, split = mistakes(ensemble.names, reference, adapted, anonymized, at, classes)
        result["class_aware"] = {"images": fooled, "classifiers": [row.as_json() for row in split]}
    if args.json:
        write_json(args.json, result)
    if not args.quiet:
        print(tables.transfers(rows, chosen))
        if under:
            print(f"\n{tables.robustness(result['under'])}")
        if args.class_aware:
            kind = "anonymized" if args.anonymized else "adapted"
            print(f"\n{fooled} {kind} images fool {chosen}; of these, in each classifier's eyes:")
            print(tables.mistakes(split) if split else "nothing to split")
        print(f"{reference.shape[1]} images compared, {len(failed)} failed")
    return 1 if failed else 0


def _as_it_is(picture: np.ndarray) -> np.ndarray:
    return picture


def _same(source: str, name: str) -> bool:
    """Whether two names mean the same classifier, one of them perhaps without its tag or path."""
    return "@" not in source and registry.find(source).name == registry.find(name).name
