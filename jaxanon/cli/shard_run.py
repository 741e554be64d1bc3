"""What `jaxanon anonymize` does with data sets: shards, lists, what lies on servers."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from itertools import islice
from pathlib import Path

from jaxanon.cli.anonymizer_flags import anonymizer_from
from jaxanon.cli.common import Loader, check_side_files, keep_apart
from jaxanon.cli.loop_options import settings_from
from jaxanon.cli.shard_worker import anonymizing, open_worker
from jaxanon.cli.task_options import ModelOptions
from jaxanon.cli.work_units import unlisted_unless_begun, work_units
from jaxanon.display.progress import Progress
from jaxanon.display.tables import closing_of_shards
from jaxanon.errors import JaxanonError, UsageError
from jaxanon.io.shard_kinds import FOLDER as FILES
from jaxanon.io.shard_kinds import kind_of
from jaxanon.io.slices import GIVEN, LISTING, Slice
from jaxanon.io.standard_streams import STANDARD
from jaxanon.io.stores import open_store
from jaxanon.io.stores.patience import in_a_hurry
from jaxanon.io.urls import Place, Url
from jaxanon.io.work import ShardFile, Work
from jaxanon.pipeline.card import CARD
from jaxanon.pipeline.engines import ENGINES
from jaxanon.pipeline.engines.engine import EngineOptions
from jaxanon.pipeline.manifest import FOLDER, METADATA, TABLE, Manifest
from jaxanon.pipeline.manifest_report import sum_up
from jaxanon.pipeline.page import PAGE, page_beside
from jaxanon.pipeline.report import REPORT
from jaxanon.pipeline.tracking import check_tracker, track

log = logging.getLogger("jaxanon")
COUNTED = 1_000
"""Shards that are opened to count their pictures, before the run begins."""


def adapt_data_set(args: Namespace, load: Loader) -> int:
    """Adapt what falls to this process of a data set; returns the exit status."""
    _refuse_what_cannot_be(args)
    check_tracker(args.track)
    if args.track and isinstance(args.output, Url):
        raise UsageError(f"--track needs an output folder on this machine, not {args.output}")
    args.output = args.output.absolute()  # workers may have started elsewhere
    manifest = Manifest(open_store(args.output))
    _refuse_existing(manifest, args)
    with unlisted_unless_begun(manifest):
        return _adapt(args, manifest, load)


def _adapt(args: Namespace, manifest: Manifest, load: Loader) -> int:
    """Adapt what falls to this process; the command line is known to be good."""
    units = work_units(args, manifest)
    _refuse_taken(manifest, units.works, args)
    number, count = args.shard or (1, 1)
    mine = units.works[number - 1 :: count]
    if args.shard is None:
        manifest.attempts.forgive(work.name for work in mine)
    images = _images(mine, manifest)
    of_run = images if mine == units.works else _images(units.works, manifest)
    options = EngineOptions(args.address, args.workers, args.devices_per_worker or 1, args.platform)
    engine = ENGINES[args.engine](options)
    args.src = units.inputs
    opener = partial(open_worker, args, units.recorded, of_run, load)
    try:
        with closing(Progress(images, quiet=args.quiet)) as progress:
            broken = engine.run(opener, mine, progress)
    except KeyboardInterrupt:
        with in_a_hurry(), suppress(JaxanonError, OSError):
            manifest.attempts.forgive(work.name for work in mine)
        raise
    if args.shard and not all(manifest.done(work.name) for work in units.works):
        log.info("other shards are not finished; jaxanon report %s sums up all", args.output)
        failed = any(done.failed for work in mine if (done := manifest.done(work.name)))
        return 1 if broken or failed else 0
    summary = sum_up(manifest, args.report)
    manifest.store.sweep()
    if args.track and isinstance(args.output, Path):
        track(args.track, {**manifest.run(), "summary": summary}, args.output)
    if not args.quiet:
        print(closing_of_shards(manifest.run(), summary))
    return 1 if broken or summary["failed"] or summary["lacking"] else 0


def _images(works: Sequence[Work], manifest: Manifest) -> int:
    """Number of pictures of all units; of many, some stand for the others.

    Raises:
        UsageError: when a package is missing.
    """
    slices = [work.length for work in works if isinstance(work, Slice)]
    files = [work for work in works if not isinstance(work, Slice)]
    some = files[:: -(-len(files) // COUNTED) or 1]
    in_some = sum(_length(work, manifest) for work in some)
    return sum(slices) + round(in_some * len(files) / max(len(some), 1))


def _length(work: Work, manifest: Manifest) -> int:
    """Number of pictures; 0 where that is not known, or they cannot be read.

    That they cannot be read is said when their turn comes. Nothing is fetched for it.

    Raises:
        UsageError: when a package is missing.
    """
    if isinstance(work, ShardFile) and isinstance(work.place, Url):
        return 0
    if done := manifest.done(work.name):
        return done.images
    try:
        with work.open() as opened:
            return opened.length
    except UsageError as error:
        if isinstance(error.__cause__, ImportError):
            raise
        return 0


def _refuse_what_cannot_be(args: Namespace) -> None:
    """Refuse options that mean nothing for data sets, or not yet; and those that never work.

    Raises:
        UsageError: naming the option.
    """
    needing = {
        "--save-anonymized": args.save_anonymized,
        "--save-views": vars(args).get("save_views"),
        "--sheet": args.sheet,
        "--with-originals": args.with_originals,
        "--preview": args.preview,
        "--also": args.also,
        "--exempt": args.exempt,
        f"--method {args.method}": args.method == "isr",
        f"--regions {args.regions}": args.regions not in ("whole", "faces"),
        "-o -": args.output == STANDARD,
        "-": STANDARD in args.src,
    }
    for name, given in needing.items():
        if given:
            raise UsageError(
                f"{name} cannot be used with shards, lists and URLs ({args.src[0]}), nor with "
                "--to, --drop, --slice, --shard and --engine; give a folder of pictures alone"
            )
    of_ray = (args.address, args.workers, args.platform, args.devices_per_worker)
    if args.engine == "local" and any(of_ray):
        raise UsageError(
            "--address, --workers, --devices-per-worker and --platform go with --engine ray"
        )
    if args.overwrite and args.shard:
        raise UsageError(
            "--overwrite would remove what the other processes of --shard make; remove the output "
            "folder, or name another one"
        )
    if args.engine == "ray" and args.shard:
        raise UsageError("--shard divides a run among processes by hand, --engine ray does it too")
    settings = settings_from(args, "keep")
    anonymizing(args, anonymizer_from(args, settings.seed), settings)
    ModelOptions.from_args(args).names()


def _refuse_existing(manifest: Manifest, args: Namespace) -> None:
    """Refuse inputs that are not there, and an output that is among them or holds a run already.

    With `--shard`, other processes may have begun the run.

    Raises:
        UsageError: naming it.
    """
    begun = manifest.exists()
    here = [place for place in args.src if isinstance(place, Path)]
    if missing := [path for path in here if not path.exists()]:
        raise UsageError(f"{missing[0]}: no such file or folder")
    if isinstance(args.output, Path):
        keep_apart(args.output, here)
        side = [args.output / name for name in (REPORT, PAGE, CARD)]
        check_side_files(side, here, overwrite=args.overwrite or begun)
    for place in args.src:
        if isinstance(place, Url) and _overlap(place, args.output):
            raise UsageError(f"the output {args.output} and {place} overlap; choose another one")
    if args.report:
        side = [args.report, page_beside(args.report)]
        check_side_files(side, here, overwrite=args.overwrite)
    if begun and not (args.shard or args.resume or args.overwrite):
        raise UsageError(
            f"{manifest.store.name}/{FOLDER} exists; give --resume to go on with that run, or "
            "--overwrite to begin anew"
        )


def _overlap(given: Url, output: Place) -> bool:
    """Whether an output is where an input is, or one of them lies in the other."""
    a, b = f"{given}/", f"{output}/"
    return a.startswith(b) or b.startswith(a) or f"{given.text.rpartition('/')[0]}/" == b


def _refuse_taken(manifest: Manifest, works: Sequence[Work], args: Namespace) -> None:
    """Refuse to write over files that no run over a data set made.

    Other processes may be making some meanwhile: so first what is there is looked at, then what is
    theirs.

    Raises:
        UsageError: naming the first one.
    """
    store = manifest.store
    if args.overwrite:
        return
    if any(kind_of(work.name) is FILES for work in works):
        # Their names are not known ahead: they get a folder of their own.
        strange = (name for name in store.names("") if name not in (LISTING, GIVEN))
        there = set() if manifest.exists() else {*islice(strange, 1)}
        known = there if manifest.exists() else set()
    else:
        names = {*(work.name for work in works)}
        names |= set() if manifest.exists() else {REPORT, PAGE, CARD, METADATA, TABLE}
        one_question = isinstance(args.output, Url)  # not one for each
        there = names & set(store.names("")) if one_question else set(filter(store.exists, names))
        known = manifest.known()
    if there - known:
        raise UsageError(
            f"{store.name}/{min(there - known)} exists; give --overwrite to replace it, or another "
            "folder"
        )
