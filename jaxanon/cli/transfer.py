"""`jaxanon transfer`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from jaxanon.classifiers import registry
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.cli.common import Loader, check_side_files, classifiers_named, load_all
from jaxanon.cli.pairs import compiled_ensemble, examine_pairs
from jaxanon.cli.reading_flags import read_as
from jaxanon.display import tables
from jaxanon.errors import ImageError, UsageError
from jaxanon.evaluation.changes import Change, changes
from jaxanon.evaluation.report import TransferReport
from jaxanon.evaluation.transfer import Shown, Stage, decide_all
from jaxanon.io.files import write_json
from jaxanon.io.kinds import open_inputs
from jaxanon.io.pairs import Partners
from jaxanon.runtime.devices import mesh


def evaluate(args: Namespace, load: Loader = load_all) -> int:
    """Run `jaxanon transfer`; the exit status is 1 where an image could not be compared."""
    names = classifiers_named("--classifiers", args.classifiers)
    originals = list(read_as(args, open_inputs([args.originals])))
    folders: dict[Stage, Path] = {"adapted": args.adapted}
    if args.anonymized:
        folders["anonymized"] = args.anonymized
    partners = [
        Partners(read_as(args, open_inputs([folder])), originals) for folder in folders.values()
    ]
    if args.json:
        inputs = [args.originals, *folders.values()]
        check_side_files([args.json], inputs, overwrite=args.overwrite)
    source = _source_index(args.source or names[0], names, args.classifiers)
    under = _changes_under(args.under)
    devices = mesh(args.devices)
    ensemble = compiled_ensemble(load(names, quiet=args.quiet), devices)
    decisions, failed = examine_pairs(
        originals,
        partners,
        partial(_views, ensemble, ["original", *folders], under),
        partial(decide_all, ensemble),
        ensemble.batch,
        quiet=args.quiet,
    )
    if not decisions:
        raise ImageError(f"no image of {args.originals} could be compared")
    classes = [classifier.config.num_classes for classifier in ensemble.classifiers]
    report = TransferReport.from_decisions(
        ensemble.names, classes, source, decisions, failed, class_aware=args.class_aware
    )
    if args.json:
        write_json(args.json, report.as_json())
    if not args.quiet:
        print(tables.transfer(report))
    return 1 if failed else 0


def _views(
    ensemble: Ensemble,
    stages: Sequence[Stage],
    under: Mapping[str, Change],
    names: Sequence[str],
    pictures: Sequence[np.ndarray],
) -> dict[Shown, Views]:
    """What each classifier sees of an image's pictures, as they are and under each change."""
    shown = {Shown(stage): picture for stage, picture in zip(stages, pictures, strict=True)}
    try:
        return {key: ensemble.look(picture) for key, picture in _with_changes(shown, under)}
    except ImageError as error:
        raise ImageError(f"{names[0]}: {error}") from error


def _with_changes(
    shown: Mapping[Shown, np.ndarray], under: Mapping[str, Change]
) -> Iterator[tuple[Shown, np.ndarray]]:
    yield from shown.items()
    for name, change in under.items():
        for key, picture in shown.items():
            yield key._replace(change=name), change(picture)


def _source_index(source: str, names: Sequence[str], listed: str) -> int:
    """Index of the classifier that `--source` names, among `names`, as `--classifiers` lists them.

    Raises:
        UsageError: when it names none of them, or several.
    """
    exact = [name for name in names if source == name]
    meant = exact or [name for name in names if _same(source, name)]
    if len(set(meant)) > 1:
        raise UsageError(f"--source {source} is one of {', '.join(meant)}; write it in full")
    if not meant:
        raise UsageError(f"--source {source} is not among --classifiers {listed}")
    return names.index(meant[0])


def _same(source: str, name: str) -> bool:
    """Whether two names mean the same classifier, one of them perhaps without its tag or path."""
    return "@" not in source and registry.find(source).name == registry.find(name).name


def _changes_under(given: Sequence[str] | None) -> dict[str, Change]:
    """The changes that `--under` names, which may be given several times, or not at all.

    Raises:
        UsageError: for what is no change.
    """
    if given is None:
        return {}
    listed = ",".join(given)
    try:
        return changes(listed)
    except UsageError as error:
        raise UsageError(f"--under {listed}: {error}") from None
