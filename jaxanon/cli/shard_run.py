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
from jaxanon.cli.common import Loader, check_side_files
from jaxanon.cli.loop_options import settings_from
from jaxanon.cli.outputs import OutputOptions
from jaxanon.cli.shard_worker import anonymizing, open_worker
from jaxanon.cli.task_options import ModelOptions
from jaxanon.display.progress import Progress
from jaxanon.display.tables import closing_of_shards
from jaxanon.errors import UsageError
from jaxanon.io.kinds.folders import is_no_picture
from jaxanon.io.shard_kinds import is_shard, open_shard
from jaxanon.pipeline.engines import ENGINES
from jaxanon.pipeline.engines.engine import EngineOptions
from jaxanon.pipeline.manifest import Manifest
from jaxanon.pipeline.manifest_report import write_report
from jaxanon.pipeline.report import REPORT

log = logging.getLogger("jaxanon")


def shards_among(paths: Sequence[Path]) -> list[Path]:
    """The shards among what was given, or in folders that were, by name; none for pictures.

    Raises:
        UsageError: for both at once, or two shards of one name.
    """
    paths = [inner for path in paths for inner in _shards_in(path) or [path]]
    found = [path for path in paths if is_shard(path)]
    others = [path for path in paths if not is_shard(path)]
    if found and others:
        raise UsageError(f"{found[0]} is a shard, {others[0]} is none; adapt them in two runs")
    times = Counter(path.name for path in found)
    if twice := [name for name, count in times.items() if count > 1]:
        raise UsageError(
            f"two shards are called {twice[0]}, so that one would replace the other; adapt them "
            "in two runs"
        )
    return sorted(found, key=lambda path: path.name)


def _shards_in(folder: Path) -> list[Path]:
    """The shards right in a folder; none where it is no folder, or has none.

    Raises:
        UsageError: where it has pictures, too.
    """
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


def adapt_shards(args: Namespace, shards: Sequence[Path], load: Loader) -> int:
    """Adapt the shards that fall to this process; returns the exit status."""
    outputs = OutputOptions.from_args(args)
    _refuse_what_cannot_be(args, shards)
    outputs.keep_apart(shards)
    manifest = Manifest(outputs.folder)
    number, count = args.shard or (1, 1)
    mine = shards[number - 1 :: count]
    _refuse_existing(manifest, mine, outputs, shared=args.shard is not None)
    if args.shard is None:
        if outputs.overwrite:
            manifest.discard_all()
        manifest.forgive(path.name for path in mine)
    images = sum(_length(path, manifest) for path in mine)
    args.output = args.output.absolute()  # workers may have started elsewhere
    options = EngineOptions(args.address, args.workers, args.devices_per_worker, args.platform)
    engine = ENGINES[args.engine](options)
    opener = partial(open_worker, args, images, load)
    try:
        with closing(Progress(images, quiet=args.quiet)) as progress:
            broken = engine.run(opener, mine, progress)
    except KeyboardInterrupt:
        manifest.forgive(path.name for path in mine)
        raise
    if args.shard and not all(manifest.done(path.name) for path in shards):
        log.info("other shards are not finished; jaxanon report %s sums up all", outputs.folder)
        return 1 if broken else 0
    summary = write_report(manifest, outputs.report or outputs.folder / REPORT)
    if not args.quiet:
        print(closing_of_shards(manifest.run(), summary))
    return 1 if broken or summary["failed"] else 0


def _length(path: Path, manifest: Manifest) -> int:
    """Number of samples of a shard; 0 where it cannot be read, which is said when its turn comes.

    Raises:
        UsageError: when a package is missing.
    """
    if done := manifest.done(path.name):
        return done.images
    try:
        with closing(open_shard(path)) as shard:
            return shard.length
    except UsageError as error:
        if isinstance(error.__cause__, ImportError):
            raise
        return 0


def _refuse_what_cannot_be(args: Namespace, shards: Sequence[Path]) -> None:
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
                f"{name} cannot be used with shards ({shards[0]}); unpack them into a folder"
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


def _refuse_existing(
    manifest: Manifest, shards: Sequence[Path], outputs: OutputOptions, *, shared: bool
) -> None:
    """Refuse to write over what is there, unless asked to.

    Args:
        manifest: the run's.
        shards: what this process is to adapt.
        outputs: where.
        shared: whether other processes work on the same run, so that it may have begun.

    Raises:
        UsageError: naming the first file.
    """
    report = outputs.report or outputs.folder / REPORT
    ours = outputs.overwrite or manifest.exists()
    check_side_files([report], shards, overwrite=ours and report.parent == outputs.folder)
    if outputs.overwrite:
        return
    known = manifest.known() if outputs.resume and manifest.exists() else set()
    there = [path for shard in shards if (path := manifest.output / shard.name).exists()]
    there = [path for path in there if path.name not in known]
    if manifest.exists() and not shared and not outputs.resume:
        there.append(manifest.folder)
    if there:
        raise UsageError(
            f"{there[0]} exists; give --resume to go on with that run, or --overwrite to begin anew"
        )
