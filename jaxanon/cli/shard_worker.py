"""From a command line to a worker that adapts shards: what each process of a run over them does."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace

from jaxanon.adaptation.settings import Settings
from jaxanon.anonymizers import Anonymizer
from jaxanon.classifiers.outside.remembered import Remembered
from jaxanon.cli.adaptation_run import load_models, recorded_of, run_options
from jaxanon.cli.anonymizer_flags import anonymizer_from, recorded_options
from jaxanon.cli.common import Loader, load_all
from jaxanon.cli.loop_options import settings_from
from jaxanon.cli.reading_flags import reading_from
from jaxanon.cli.region_flags import RegionOptions
from jaxanon.io.inputs import InputImage
from jaxanon.io.stores import open_store
from jaxanon.pipeline.loading import Anonymizing
from jaxanon.pipeline.manifest import Manifest
from jaxanon.pipeline.shard import ShardWorker
from jaxanon.pipeline.stages import Stages


def open_worker(
    args: Namespace, units: Mapping[str, object], images: int = 0, load: Loader = load_all
) -> ShardWorker:
    """Load what `jaxanon anonymize` needs for its shards, and join the run in the output folder.

    Args:
        args: the command line.
        units: what the results depend on of how the data set is divided.
        images: how many images are to come; 0 where that is not known.
        load: loads classifiers.

    Raises:
        UsageError: for options that cannot work, or that differ from those of the run so far.
        WeightsError: for classifiers that cannot be loaded.
        ImageError: when the manifest cannot be written.
    """
    settings = settings_from(args, "keep")
    anonymizer = anonymizer_from(args, settings.seed)
    loader = anonymizing(args, anonymizer, settings)
    sources, others, oracles = load_models(args, load)
    options = replace(run_options(args), oracles=oracles)
    stages = Stages(sources, others, settings, options, images)
    recorded = {"command": "anonymize", **recorded_options(args, anonymizer), **units}
    settled = recorded_of(args, recorded, settings)
    manifest = Manifest(open_store(args.output))
    said = stages.describe(settled)
    stages.remember(Remembered(str(args.output), resume=manifest.exists()))  # or another run's
    run = {**said, **stages.guarantee(settled), "inputs": list(map(str, args.src))}
    manifest.begin(run, shared=args.shard is not None)
    return ShardWorker(stages, loader, manifest, reading_from(args), images)


def anonymizing(
    args: Namespace,
    anonymizer: Anonymizer,
    settings: Settings,
    inputs: Sequence[InputImage] = (),
) -> Anonymizing:
    """What reads and hides the images of a command line.

    Args:
        args: the command line.
        anonymizer: what hides.
        settings: options of the loop.
        inputs: the images; none for shards, in which their names are not known ahead.

    Raises:
        UsageError: for regions that cannot be had.
    """
    regions = RegionOptions.from_args(args)
    return Anonymizing(
        anonymizer,
        regions.finder(inputs),
        may_be_empty=regions.allow_empty or regions.where == "whole",
        keep_grey=settings.keep_grey,
        looked_at=regions.say_how_read,
    )
