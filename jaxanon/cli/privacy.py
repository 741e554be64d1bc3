"""`jaxanon privacy`."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxanon import __version__
from jaxanon.cli.common import Loader, check_side_files, classifiers_named, load_all
from jaxanon.cli.pairs import compiled_ensemble, examine_pairs, names_of, report_beside
from jaxanon.cli.reading_flags import read_as
from jaxanon.display import tables
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.files import write_json
from jaxanon.io.inputs import InputImage
from jaxanon.io.kinds import open_inputs
from jaxanon.io.pairs import Partners, check_orientation
from jaxanon.privacy.attacks import deviation_of
from jaxanon.privacy.examine import ExaminedImage, Examiner
from jaxanon.privacy.findings import findings
from jaxanon.privacy.measurements import Measurements, NothingToCompareError, gather
from jaxanon.privacy.report import PrivacyReport, StatedGuarantee
from jaxanon.runtime.devices import mesh

if TYPE_CHECKING:
    from jaxanon.privacy.face_embeddings import Embedder
    from jaxanon.regions.faces import Detector


def privacy(args: Namespace, load: Loader = load_all) -> int:
    """Run `jaxanon privacy`; the exit status is 1 where an image could not be compared."""
    names = classifiers_named("--classifiers", args.classifiers)
    _need_skimage()
    originals = list(read_as(args, open_inputs([args.originals])))
    stages = {"anonymized": args.anonymized, "adapted": args.adapted}
    folders = {stage: folder for stage, folder in stages.items() if folder}
    made = [*folders.values(), *args.copies]
    partners = [Partners(read_as(args, open_inputs([folder])), originals) for folder in made]
    _check_options(args, [args.originals, *folders.values(), *args.copies])
    run = _report_of(args.adapted)
    faces, faces_left_out = _face_tools(args)
    devices = mesh(args.devices)
    ensemble = compiled_ensemble(load(names, quiet=args.quiet), devices)
    deviation, known = args.deviation, True
    if deviation is None:
        deviation, known = deviation_of(run.get("settings", {}))
    examiner = Examiner(ensemble, deviation, list(folders), copies=bool(args.copies), faces=faces)
    measurements, failed = _measure(examiner, list(folders), originals, partners, args)
    groups, sources, decisions_left_out = _groups(ensemble.names, run)
    report: PrivacyReport = {
        "schema": 1,
        "version": __version__,
        "images": len(measurements.thumbnails),
        "failed": failed,
        "classifiers": {name: [ensemble.names[i] for i in at] for name, at in groups.items()},
        "deviation": round(deviation, 3),
        "deviation_assumed": not known,
        "decisions_left_out": decisions_left_out,
        "copies": len(args.copies),
        "faces_left_out": faces_left_out,
        "guarantee": _guarantee_of(run),
        "bits_to_single_out": round(float(np.log2(len(measurements.thumbnails))), 2),
        **findings(measurements, groups, sources),
    }
    if args.json:
        write_json(args.json, report)
    if not args.quiet:
        print(tables.privacy(report))
    return 1 if failed else 0


def _check_options(args: Namespace, inputs: Sequence[Path]) -> None:
    """Refuse options out of range, and a report that would lie among the inputs.

    Raises:
        UsageError: naming the option or the file.
    """
    if args.deviation is not None and not 0 < args.deviation <= 100:
        raise UsageError(f"--deviation is {args.deviation}; it must be above 0, at most 100")
    if args.json:
        check_side_files([args.json], inputs, overwrite=args.overwrite)


def _measure(
    examiner: Examiner,
    stages: Sequence[str],
    originals: Sequence[InputImage],
    partners: Sequence[Partners],
    args: Namespace,
) -> tuple[Measurements, list[str]]:
    """Measurements of all images that can be compared, and one line per image that cannot.

    Args:
        examiner: examines an image.
        stages: stages of the first partners; the others are further adapted copies.
        originals: originals to examine.
        partners: for each folder of images made from them, what finds an original's partner there.
        args: arguments of the command.

    Raises:
        ImageError: when no image can be compared.
    """
    try:
        return examine_pairs(
            originals,
            partners,
            partial(_examine, examiner, stages),
            partial(gather, examiner.ensemble, examiner.variants),
            examiner.ensemble.batch,
            quiet=args.quiet,
        )
    except NothingToCompareError as error:
        raise ImageError(f"no image of {args.originals} could be compared") from error


def _examine(
    examiner: Examiner, stages: Sequence[str], names: Sequence[str], pictures: Sequence[np.ndarray]
) -> ExaminedImage:
    """Examine an original, one published picture of it per stage, and further adapted copies.

    Raises:
        ImageError: when a picture is turned or mirrored.
    """
    original, *others = pictures
    for name, picture in zip(names[1:], others, strict=True):
        check_orientation(original, picture, name)
    published = dict(zip(stages, others, strict=False))
    return examiner.look(original, published, others[len(stages) :])


def _need_skimage() -> None:
    try:
        import skimage.restoration  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"the privacy report needs scikit-image ({error}); pip install 'jaxanon[privacy]'"
        ) from error


def _face_tools(args: Namespace) -> tuple[tuple[Detector, Embedder] | None, str | None]:
    """A detector of faces and an embedder, or None and the reason why there are none."""
    if args.no_faces and args.threshold is not None:
        raise UsageError("--threshold and --no-faces exclude each other; give one")
    if args.no_faces:
        return None, "asked for with --no-faces"
    from jaxanon.privacy.face_embeddings import Embedder
    from jaxanon.regions.faces import Detector

    try:
        return (Detector(args.threshold), Embedder()), None
    except UsageError as error:
        if args.threshold is not None:
            raise
        return None, str(error)


def _report_of(adapted: Path) -> dict[str, Any]:
    """The report of the run that made the images of a folder; empty where there is none.

    Raises:
        UsageError: when the file is no such report.
    """
    path = report_beside(adapted)
    if path is None:
        return {}
    try:
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        deviation_of(run["settings"])
        named = [str(row["name"]) for row in run["classifiers"] if row["role"]]
        stated = run.get("guarantee", {"bits": 0.0, "text": ""})
        if not named or not isinstance(stated["bits"] + 0.0, float) or stated["text"] is None:
            raise ValueError("something is missing")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path}: not the report of a run ({error!r}); remove it, and the report goes "
            "without what it would tell"
        ) from error
    return run


def _groups(
    names: Sequence[str], run: Mapping[str, Any]
) -> tuple[dict[str, list[int]], list[int], str | None]:
    """Group classifiers into the sources of a run, its oracles and the others.

    Where no run is known, all are one group, and taken for sources.

    Args:
        names: names of the classifiers at hand.
        run: report of the run, perhaps empty.

    Returns:
        Group -> indices of its classifiers; indices of those whose decisions the images keep; and
        why there are none of these: some of the decisions that images keep tell less than all.
    """
    sources, oracles = names_of("source", run), names_of("oracle", run)
    if not sources:
        return {"classifiers": [*range(len(names))]}, [*range(len(names))], None
    kept = [i for i, name in enumerate(names) if name in sources | oracles]
    each = {
        "sources": [i for i in kept if names[i] in sources],
        "oracles": [i for i in kept if names[i] in oracles],
        "held out": [i for i in range(len(names)) if i not in kept],
    }
    groups = {group: members for group, members in each.items() if members}
    if keep := run.get("settings", {}).get("keep"):
        why = f"the images keep {keep}, which tells more than the decisions compared here"
        return groups, [], why
    absent = sorted((sources | oracles) - set(names))
    if not absent:
        return groups, kept, None
    missing = ", ".join(absent)
    return groups, [], f"--classifiers is without {missing}, whose decisions the images keep"


def _guarantee_of(run: Mapping[str, Any]) -> StatedGuarantee:
    """The guarantee that the report of a run states."""
    if not run:
        return {"bits": None, "text": "unknown: no report.json lies beside the adapted images"}
    nothing = "nothing: the images were made from the originals themselves"
    stated = run.get("guarantee", {"bits": None, "text": nothing})
    return {"bits": stated["bits"], "text": stated["text"]}
