"""What commands do whose inputs are shards: each becomes an adapted shard of the same name."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from jaxanon.cli.anonymizer_flags import anonymizer_from
from jaxanon.cli.common import Loader, check_side_files, keep_apart
from jaxanon.cli.loop_options import settings_from
from jaxanon.cli.outputs import OutputOptions
from jaxanon.cli.shard_worker import anonymizing, open_worker
from jaxanon.cli.task_options import ModelOptions
from jaxanon.display.progress import Progress
from jaxanon.display.tables import closing_of_shards
from jaxanon.errors import UsageError
from jaxanon.io.durable import DurableFile
from jaxanon.io.fetching import shards_below
from jaxanon.io.kinds.folders import is_no_picture
from jaxanon.io.shard_kinds import SHARD_KINDS, is_shard
from jaxanon.io.stores import open_store
from jaxanon.io.urls import Place, Url
from jaxanon.io.work import ShardFile
from jaxanon.pipeline.engines import ENGINES
from jaxanon.pipeline.engines.engine import EngineOptions
from jaxanon.pipeline.manifest import FOLDER, Manifest
from jaxanon.pipeline.manifest_report import write_report
from jaxanon.pipeline.report import REPORT

log = logging.getLogger("jaxanon")


def shards_among(places: Sequence[Place]) -> list[ShardFile]:
    """The shards among what was given, or in folders that were, by name; none for pictures.

    Raises:
        UsageError: for both at once, two shards of one name, or a URL without shards.
    """
    places = [inner for place in places for inner in _shards_in(place) or [place]]
    found = [place for place in places if is_shard(place)]
    others = [place for place in places if not is_shard(place)]
    if found and others:
        raise UsageError(f"{found[0]} is a shard, {others[0]} is none; adapt them in two runs")
    times = Counter(place.name for place in found)
    if twice := [name for name, count in times.items() if count > 1]:
        raise UsageError(
            f"two shards are called {twice[0]}, so that one would replace the other; adapt them "
            "in two runs"
        )
    files = [ShardFile(place.absolute(), str(place)) for place in found]
    return sorted(files, key=lambda file: file.name)


def _shards_in(folder: Place) -> Sequence[Place]:
    """The shards right in a folder; none where it is no folder, or has none.

    Raises:
        UsageError: where it has pictures, too, or is a URL without shards.
    """
    if isinstance(folder, Url):
        below = [] if is_shard(folder) else shards_below(folder, frozenset(SHARD_KINDS))
        if not (below or is_shard(folder)):
            raise UsageError(f"{folder}: no shards ({', '.join(SHARD_KINDS)}) there")
        return below
    if not folder.is_dir():
        return []
    inner = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    found = [path for path in inner if is_shard(path)]
    pictures = [path for path in inner if path.is_file() and not is_no_picture(path)]
    if found and pictures:
        raise UsageError(
            f"{folder} holds shards ({found[0].name}) and pictures ({pictures[0].name}); give "
            "either"
        )
    return found


def adapt_shards(args: Namespace, shards: Sequence[ShardFile], load: Loader) -> int:
    """Adapt the shards that fall to this process; returns the exit status."""
    outputs = OutputOptions.from_args(args)
    _refuse_what_cannot_be(args, shards)
    args.output = args.output.absolute()  # workers may have started elsewhere
    store = open_store(args.output)
    manifest = Manifest(store)
    number, count = args.shard or (1, 1)
    mine = shards[number - 1 :: count]
    _refuse_existing(manifest, mine, args)
    if args.shard is None:
        if outputs.overwrite:
            manifest.discard_all()
        manifest.forgive(shard.name for shard in mine)
    images = sum(_length(shard, manifest) for shard in mine)
    options = EngineOptions(args.address, args.workers, args.devices_per_worker, args.platform)
    engine = ENGINES[args.engine](options)
    opener = partial(open_worker, args, images, load)
    try:
        with closing(Progress(images, quiet=args.quiet)) as progress:
            broken = engine.run(opener, mine, progress)
    except KeyboardInterrupt:
        manifest.forgive(shard.name for shard in mine)
        raise
    if args.shard and not all(manifest.done(shard.name) for shard in shards):
        log.info("other shards are not finished; jaxanon report %s sums up all", args.output)
        return 1 if broken else 0
    create = partial(DurableFile, args.report) if args.report else partial(store.create, REPORT)
    summary = write_report(manifest, create)
    if not args.quiet:
        print(closing_of_shards(manifest.run(), summary))
    return 1 if broken or summary["failed"] else 0


def _length(shard: ShardFile, manifest: Manifest) -> int:
    """Number of samples of a shard; 0 where that is not known, or it cannot be read.

    That it cannot be read is said when its turn comes. Those on servers are not fetched for it.

    Raises:
        UsageError: when a package is missing.
    """
    if done := manifest.done(shard.name):
        return done.images
    if isinstance(shard.place, Url):
        return 0
    try:
        with shard.open() as opened:
            return opened.length
    except UsageError as error:
        if isinstance(error.__cause__, ImportError):
            raise
        return 0


def _refuse_what_cannot_be(args: Namespace, shards: Sequence[ShardFile]) -> None:
    """Refuse options that mean nothing for shards, or not yet; and those that never work.

    Raises:
        UsageError: naming the option.
    """
    needing = {
        "--save-anonymized": args.save_anonymized,
        "--save-views": vars(args).get("save_views"),
        "--sheet": args.sheet,
        "--preview": args.preview,
        "--also": args.also,
        "--exempt": args.exempt,
        f"--method {args.method}": args.method == "isr",
        f"--regions {args.regions}": args.regions not in ("whole", "faces"),
        "-o -": args.output == Path("-"),
    }
    for name, given in needing.items():
        if given:
            raise UsageError(
                f"{name} cannot be used with shards ({shards[0].shown}); unpack them into a folder"
            )
    if args.engine == "local" and (args.address or args.workers or args.platform):
        raise UsageError("--address, --workers and --platform go with --engine ray")
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


def _refuse_existing(manifest: Manifest, shards: Sequence[ShardFile], args: Namespace) -> None:
    """Refuse to write over what is there, unless asked to, or among the inputs.

    Args:
        manifest: the run's.
        shards: what this process is to adapt.
        args: the command line. With `--shard`, other processes may have begun the run.

    Raises:
        UsageError: naming the first file.
    """
    here = [shard.place for shard in shards if isinstance(shard.place, Path)]
    exists = manifest.exists()
    if isinstance(args.output, Path):
        keep_apart(args.output, here)
        check_side_files([args.output / REPORT], here, overwrite=args.overwrite or exists)
    elif any(str(shard.place) == str(args.output / shard.name) for shard in shards):
        raise UsageError(f"the output {args.output} is where the inputs are; choose another one")
    if args.report:
        check_side_files([args.report], here, overwrite=args.overwrite)
    if args.overwrite:
        return
    known = manifest.known() if args.resume and exists else set()
    there = [shard.name for shard in shards if shard.name not in known]
    there = [name for name in there if manifest.store.exists(name)]
    if exists and not args.shard and not args.resume:
        there.append(FOLDER)
    if there:
        raise UsageError(
            f"{manifest.store.name}/{there[0]} exists; give --resume to go on with that run, or "
            "--overwrite to begin anew"
        )
