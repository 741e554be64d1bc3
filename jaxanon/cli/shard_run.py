"""What commands do whose inputs are shards: each becomes an adapted shard of the same name."""

from __future__ import annotations

import logging
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxanon.adaptation.settings import Settings
from jaxanon.cli.adaptation_run import load_models, recorded_of, run_options
from jaxanon.cli.common import Loader
from jaxanon.cli.outputs import OutputOptions
from jaxanon.cli.reading_flags import reading_from
from jaxanon.display.progress import Progress
from jaxanon.display.tables import closing_of_shards
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.inputs import INPUT_KINDS
from jaxanon.io.kinds.tars import TarShard
from jaxanon.pipeline.manifest import Manifest
from jaxanon.pipeline.manifest_report import write_report
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.report import REPORT, describe
from jaxanon.pipeline.shard import Load, ShardWorker, own_share
from jaxanon.pipeline.stages import RunOptions, Stages

log = logging.getLogger("jaxanon")


@dataclass(frozen=True)
class ShardTask:
    """What a command wants to have adapted, shard by shard.

    Attributes:
        shards: paths of the inputs, in order.
        load: reads and anonymizes an original.
        recorded: what the results depend on besides the options that all commands share.
    """

    shards: Sequence[Path]
    load: Load
    recorded: Mapping[str, Any]


def shards_among(paths: Sequence[Path]) -> list[Path]:
    """The shards among what was given, by name; none where pictures were given.

    Raises:
        UsageError: for both at once, or two shards of one name.
    """
    found = [path for path in paths if path.suffix.lower() in INPUT_KINDS]
    others = [path for path in paths if path not in found]
    if found and others:
        raise UsageError(f"{found[0]} is a shard, {others[0]} is none; adapt them in two runs")
    names = [path.name for path in found]
    twice = next((path for path in found if names.count(path.name) > 1), None)
    if twice:
        raise UsageError(
            f"two shards are called {twice.name}, so that one would replace the other; adapt them "
            "in two runs"
        )
    return sorted(found, key=lambda path: path.name)


def adapt_shards(args: Namespace, task: ShardTask, settings: Settings, load: Loader) -> int:
    """Adapt the shards that fall to this process; returns the exit status."""
    outputs = OutputOptions.from_args(args)
    _refuse_what_needs_files(args, task)
    outputs.keep_apart(task.shards)
    manifest = Manifest(outputs.folder)
    mine = [TarShard(path) for path in own_share(task.shards, args.shard or (1, 1))]
    options = run_options(args)
    recorded = recorded_of(args, task.recorded, settings)
    _refuse_existing(manifest, mine, outputs, shared=args.shard is not None)
    sources, targets = load_models(args, load)
    stages = Stages(sources, targets, settings, options, sum(shard.length for shard in mine))
    if outputs.overwrite:
        for shard in mine:
            manifest.forget(shard.path.name)
    manifest.begin(
        {**describe(stages.roles, stages.origins, recorded), "inputs": list(map(str, task.shards))}
    )
    worker = ShardWorker(stages, task.load, manifest, reading_from(args))
    broken = _adapt(worker, mine, options)
    finished = all(manifest.done(path.name) for path in task.shards)
    if not finished and args.shard:
        log.info("other shards are not finished; jaxanon report %s sums up all", outputs.folder)
        return 1 if broken else 0
    summary = write_report(manifest, outputs.report or outputs.folder / REPORT)
    if not args.quiet:
        print(closing_of_shards(manifest.run(), summary))
    return 1 if broken or summary["failed"] else 0


def _adapt(worker: ShardWorker, shards: Sequence[TarShard], options: RunOptions) -> int:
    """Adapt shards one after the other; how many could not be."""
    broken = 0
    images = sum(shard.length for shard in shards)
    with closing(Progress(images, quiet=options.quiet)) as progress:

        def told(record: Record) -> None:
            if record.error and record.status == "failed":
                progress.error(record.error)
            progress.advance()

        for shard in shards:
            try:
                worker.adapt(shard, told)
            except ImageError as error:
                broken += 1
                progress.error(f"shard {shard.path.name}: {error}")
    return broken


def _refuse_what_needs_files(args: Namespace, task: ShardTask) -> None:
    """Refuse options that mean nothing for shards, or not yet.

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
                f"{name} cannot be used with shards ({task.shards[0]}); unpack them into a folder"
            )


def _refuse_existing(
    manifest: Manifest, shards: Sequence[TarShard], outputs: OutputOptions, *, shared: bool
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
    if outputs.overwrite:
        return
    may_be_ours = outputs.resume and manifest.exists()
    there = [path for shard in shards if (path := manifest.output / shard.path.name).exists()]
    if manifest.exists() and not shared:
        there.append(manifest.folder)
    if there and not may_be_ours:
        raise UsageError(
            f"{there[0]} exists; give --resume to go on with that run, or --overwrite to begin anew"
        )
