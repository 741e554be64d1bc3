"""`jaxanon transfer`."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxanon.classifiers import registry
from jaxanon.classifiers.ensemble import Views
from jaxanon.classifiers.keeping import keeping
from jaxanon.classifiers.outside.answers import ask
from jaxanon.classifiers.outside.classifier import AnswerError, Question
from jaxanon.classifiers.outside.loading import load as load_outside
from jaxanon.classifiers.outside.naming import is_outside
from jaxanon.classifiers.outside.panel import Panel
from jaxanon.cli.common import Loader, check_side_files, classifiers_named, load_all, split_names
from jaxanon.cli.pairs import compiled_ensemble, examine_pairs, names_of, report_beside
from jaxanon.cli.reading_flags import read_as
from jaxanon.display import transfer_tables
from jaxanon.errors import ImageError, UsageError
from jaxanon.evaluation.changes import Change, changes
from jaxanon.evaluation.report import TransferReport
from jaxanon.evaluation.transfer import Roles, Shown, Stage, decide_all
from jaxanon.io.files import write_json
from jaxanon.io.kinds import open_inputs
from jaxanon.io.pairs import Partners
from jaxanon.runtime.devices import mesh


def evaluate(args: Namespace, load: Loader = load_all) -> int:
    """Run `jaxanon transfer`; the exit status is 1 where an image could not be compared."""
    listed = classifiers_named("--classifiers", args.classifiers)
    names = sorted(listed, key=is_outside)  # those on our devices first
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
    keep = keeping(args.keep)
    given = [_source_index(n, names, args.classifiers) for n in split_names(args.source)]
    under = _changes_under(args.under)
    devices = mesh(args.devices)
    outside = [load_outside(name) for name in names if is_outside(name)]
    inside = [name for name in names if not is_outside(name)]
    ensemble = compiled_ensemble(load(inside, quiet=args.quiet), devices)
    panel = Panel(ensemble, outside, keep=keep)
    decisions, failed = examine_pairs(
        originals,
        partners,
        partial(_looked_at, panel, ["original", *folders], under),
        partial(_decide_all, panel),
        panel.batch,
        quiet=args.quiet,
    )
    if not decisions:
        raise ImageError(f"no image of {args.originals} could be compared")
    classes = [known.num_classes for known in panel.classes.values()]
    report = TransferReport.from_decisions(
        panel.names,
        classes,
        _roles(args.adapted, panel.names, given),
        decisions,
        failed,
        class_aware=args.class_aware,
        keep=keep,
    )
    if args.json:
        write_json(args.json, report.as_json())
    if not args.quiet:
        print(transfer_tables.transfer(report))
    return 1 if failed else 0


class _LookedAt(NamedTuple):
    """A picture before the classifiers.

    Attributes:
        views: what those on our devices see of it.
        decisions: what each of the others has decided on it.
    """

    views: Views
    decisions: Sequence[np.ndarray]


def _looked_at(
    panel: Panel,
    stages: Sequence[Stage],
    under: Mapping[str, Change],
    names: Sequence[str],
    pictures: Sequence[np.ndarray],
) -> dict[Shown, _LookedAt]:
    """An image's pictures before the classifiers, as they are and under each change."""
    shown = {Shown(stage): picture for stage, picture in zip(stages, pictures, strict=True)}
    try:
        return {key: _shown_to(panel, key, each) for key, each in _with_changes(shown, under)}
    except ImageError as error:
        raise ImageError(f"{names[0]}: {error}") from error


def _shown_to(panel: Panel, shown: Shown, picture: np.ndarray) -> _LookedAt:
    """Show a picture to the classifiers, of which those from outside decide at once.

    Services get its pixels: a file that another tool made may carry metadata of the original.

    Raises:
        ImageError: when one of these has no usable answer.
    """
    question = Question(picture, private=shown.stage == "original")
    decisions = []
    for outside in panel.outside:
        (said,) = ask(outside, [question], panel.keep)
        if isinstance(said, AnswerError):
            raise ImageError(str(said))
        decisions.append(panel.keep.decide(said, outside.known))
    return _LookedAt(panel.inside.look(picture), decisions)


def _decide_all(
    panel: Panel, images: Iterable[Mapping[Shown, _LookedAt]]
) -> dict[Shown, np.ndarray]:
    """Every classifier's decisions, see `decide_all`."""
    others: dict[Shown, list[Sequence[np.ndarray]]] = {}

    def views() -> Iterator[Mapping[Shown, Views]]:
        for image in images:
            for key, each in image.items():
                others.setdefault(key, []).append(each.decisions)
            yield {key: each.views for key, each in image.items()}

    decided = decide_all(panel.inside, views(), panel.keep.text)
    return {
        key: panel.keep.together([*found, *map(np.stack, zip(*others[key], strict=True))])
        for key, found in decided.items()
    }


def _with_changes(
    shown: Mapping[Shown, np.ndarray], under: Mapping[str, Change]
) -> Iterator[tuple[Shown, np.ndarray]]:
    yield from shown.items()
    for name, change in under.items():
        for key, picture in shown.items():
            yield key._replace(change=name), change(picture)


def _roles(adapted: Path, names: Sequence[str], given: Sequence[int]) -> Roles:
    """Sources and oracles as the report beside the images has them.

    A folder of other images has no report, or none that can be read.

    Args:
        adapted: folder of the images.
        names: names of the classifiers.
        given: indices of the sources, where they were named; else, and without a report, the first
            is one.
    """
    path = report_beside(adapted)
    try:
        run = json.loads(path.read_text(encoding="utf-8")) if path else {}
        sources, oracles = names_of("source", run), names_of("oracle", run)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        sources = oracles = set()
    meant = given or [i for i, name in enumerate(names) if name in sources] or [0]
    asked = [i for i, name in enumerate(names) if name in oracles and i not in meant]
    return Roles(meant, asked)


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
    if is_outside(source) or is_outside(name):
        return source == name.partition("#")[0]
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
