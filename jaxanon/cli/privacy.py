"""`jaxanon privacy`."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon import __version__
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.cli.common import Loader, check_side_files, classifiers_named, load_all, looked_at
from jaxanon.display import tables
from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError, UsageError
from jaxanon.io import files
from jaxanon.io.pairs import Partners, check_orientation, decode_together
from jaxanon.pipeline.manifest import REPORT, write_json
from jaxanon.privacy.attacks import deviation_of
from jaxanon.privacy.examine import Examiner, Seen
from jaxanon.privacy.findings import NothingToCompareError, findings, gather
from jaxanon.runtime import compilation, workers
from jaxanon.runtime.devices import mesh


def privacy(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon privacy`."""
    names = classifiers_named("--classifiers", args.classifiers)
    _need_skimage()
    originals = files.find([args.originals])
    stages = ["anonymized", "adapted"] if args.anonymized else ["adapted"]
    folders = {"adapted": args.adapted, "anonymized": args.anonymized}
    partners = {stage: Partners(folders[stage], originals) for stage in stages}
    copies = [Partners(folder, originals) for folder in args.copies]
    given = [args.originals, args.adapted, *filter(None, [args.anonymized]), *args.copies]
    if args.deviation is not None and not 0 < args.deviation <= 100:
        raise UsageError(f"--deviation is {args.deviation}; it must be above 0, at most 100")
    if args.json:
        check_side_files([args.json], given, overwrite=args.overwrite)
    made = _report_of(args.adapted)
    faces, why_not = _face_tools(args)
    compilation.enable_compilation_cache()
    ensemble = Ensemble(load(names, quiet=args.quiet), mesh=mesh(args.devices))
    groups, sources, missing = _groups(ensemble.names, made)
    deviation, known = deviation_of(made.get("settings", {}))
    if args.deviation is not None:
        deviation, known = args.deviation, True
    examiner = Examiner(ensemble, deviation, stages, copies=bool(copies), faces=faces)
    with compilation.gc_paused():
        ensemble.compile()
    failed: list[str] = []
    progress = Progress(len(originals), quiet=args.quiet)

    def look(original: files.InputFile) -> Seen | ImageError:
        try:
            found = [side.find(original) for side in (*partners.values(), *copies)]
            first, *others = decode_together(original, *found)
            for side, picture in zip(found, others, strict=True):
                check_orientation(first, picture, side.path)
        except ImageError as error:
            return error
        published = dict(zip(partners, others, strict=False))
        return examiner.look(first, published, others[len(partners) :])

    with workers.pool() as threads:
        images = looked_at(look, originals, threads, ensemble.batch, progress, failed)
        try:
            gathered = gather(ensemble, examiner.columns, images)
        except NothingToCompareError as error:
            raise ImageError(f"no image of {args.originals} could be compared") from error
    progress.close()
    count = len(gathered.thumbnails)
    result = {
        "schema": 1,
        "version": __version__,
        "images": count,
        "failed": failed,
        "classifiers": {name: [ensemble.names[i] for i in at] for name, at in groups.items()},
        "deviation": round(deviation, 3),
        "deviation_assumed": not known,
        "decisions_left_out": missing,
        "copies": len(copies),
        "faces_left_out": why_not,
        "guarantee": _bound(made),
        "bits_to_single_out": round(float(np.log2(count)), 2),
        **findings(gathered, groups, sources),
    }
    if args.json:
        write_json(args.json, result)
    if not args.quiet:
        print(tables.privacy(result))
    return 1 if failed else 0


def _need_skimage() -> None:
    try:
        import skimage.restoration  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"the privacy report needs scikit-image ({error}); pip install 'jaxanon[privacy]'"
        ) from error


def _face_tools(args: Namespace) -> tuple[Any, str | None]:
    """A detector and an embedder, or None and the reason."""
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
    """The report of the run that made the adapted images; empty where there is none.

    It lies beside them, or above, where they are one view of several.
    """
    place = adapted.resolve()
    for folder in (place, *([place.parent] if place.name.startswith("view-") else [])):
        path = folder / REPORT
        if not path.is_file():
            continue
        try:
            made: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            deviation_of(made["settings"])
            named = [str(row["name"]) for row in made["classifiers"] if row["role"]]
            bound = made.get("guarantee", {"bits": 0.0, "text": ""})
            if not named or not isinstance(bound["bits"] + 0.0, float) or bound["text"] is None:
                raise ValueError("something is missing")
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"{path}: not the report of a run ({error!r}); remove it, and the report goes "
                "without what it would tell"
            ) from error
        return made
    return {}


def _groups(
    names: list[str], made: Mapping[str, Any]
) -> tuple[dict[str, list[int]], list[int], str | None]:
    """Sources of that run, and the others; all together, as sources, where none is known.

    Returns:
        Name -> the classifiers, by place; those whose decisions the images keep, by place; and why
        there are none of these: what is told by some of the sources is less than they were told.
    """
    sources = {row["name"] for row in made.get("classifiers", ()) if row["role"] == "source"}
    inside = [i for i, name in enumerate(names) if name in sources]
    outside = [i for i in range(len(names)) if i not in inside]
    if not sources:
        return {"classifiers": outside}, outside, None
    absent = sorted(sources - set(names))
    missing = (
        f"--classifiers is without {', '.join(absent)}, to which the images were adapted"
        if absent
        else None
    )
    found = {"sources": inside, "held out": outside}
    return {name: at for name, at in found.items() if at}, [] if missing else inside, missing


def _bound(made: Mapping[str, Any]) -> dict[str, Any]:
    """The guarantee of the run, as its report has it."""
    if not made:
        return {"bits": None, "text": "unknown: no report.json lies beside the adapted images"}
    nothing = "nothing: the images were made from the originals themselves"
    return dict(made.get("guarantee", {"bits": None, "text": nothing}))
