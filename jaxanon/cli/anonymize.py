"""`jaxanon anonymize`, `jaxanon adapt` and `jaxanon attack`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from jaxanon.adaptation.settings import Settings
from jaxanon.cli.adaptation_run import Task, adapt_task
from jaxanon.cli.anonymizer_flags import anonymizer_from, recorded_options
from jaxanon.cli.common import Loader, load_all
from jaxanon.cli.loop_options import settings_from
from jaxanon.cli.reading_flags import read_as
from jaxanon.cli.region_flags import RegionOptions
from jaxanon.cli.shard_run import adapt_data_set
from jaxanon.cli.shard_worker import anonymizing
from jaxanon.cli.work_units import is_data_set
from jaxanon.display import tables
from jaxanon.errors import UsageError, errors_named, printable
from jaxanon.io.images import decode
from jaxanon.io.inputs import InputImage
from jaxanon.io.kinds import open_inputs
from jaxanon.io.pairs import Partners, check_orientation, decode_together
from jaxanon.io.standard_streams import STANDARD
from jaxanon.pipeline.hiding import Hiding
from jaxanon.pipeline.item import LoadedImage
from jaxanon.runtime import compilation


def anonymize(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon anonymize`: hide what is private, then adapt."""
    compilation.enable_compilation_cache()
    if is_data_set(args):
        return adapt_data_set(args, load)
    return adapt_task(args, *anonymizing_task(args), load)


def anonymizing_task(args: Namespace) -> tuple[Task, Settings]:
    """What `jaxanon anonymize` is to do with files, and the settings of its loop."""
    settings = settings_from(args, "keep")
    anonymizer = anonymizer_from(args, settings.seed)
    inputs = list(read_as(args, open_inputs(args.src, streamed=True)))
    loader = anonymizing(args, anonymizer, settings, inputs)
    recorded = {"command": "anonymize", **recorded_options(args, anonymizer)}
    task = Task(inputs, _paths(args.src), loader, loader.region_of, recorded, anonymizer)
    return task, settings


def adapt(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon adapt`: adapt what another tool has anonymized."""
    a, b = args.originals.resolve(), args.anonymized.resolve()
    if a == b or a in b.parents or b in a.parents:
        raise UsageError(f"the folders {args.originals} and {args.anonymized} overlap")
    originals = list(read_as(args, open_inputs([args.originals])))
    settings = settings_from(args, "keep")
    regions = RegionOptions.from_args(args)
    region_of = regions.finder(originals)
    partners = Partners(read_as(args, open_inputs([args.anonymized])), originals)
    unmatched = partners.unmatched(originals)
    if unmatched and not args.quiet:
        files = tables.counted(len(unmatched), "file")
        text = f"{files} of {args.anonymized} left out, without an original"
        print(f"jaxanon: {text}; {printable(unmatched[0].name)} is the first", file=sys.stderr)

    def load_image(original: InputImage, _view: int) -> LoadedImage:
        partner = partners.find(original)
        before, after = decode_together(original, partner)
        check_orientation(before, after, partner.name)
        regions.say_how_read(original)
        region = region_of(original.relative, before)
        with errors_named(partner.name):
            hiding = Hiding.by_others(before, after, region, may_be_empty=regions.allow_empty)
        return LoadedImage(before, after, region.mask, region.boxes, hiding=hiding)

    recorded = {"command": "adapt", "anonymized": str(args.anonymized)}
    given = [args.originals, args.anonymized]
    task = Task(originals, given, load_image, region_of, recorded, partner_of=partners.find_unique)
    return adapt_task(args, task, settings, load)


def attack(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon attack`: the same loop the other way round, on photos as they are."""
    inputs = list(read_as(args, open_inputs(args.src, streamed=True)))
    region_of = RegionOptions.from_args(args).finder(inputs)

    def load_image(image: InputImage, _view: int) -> LoadedImage:
        original = decode(image)
        region = region_of(image.relative, original)
        return LoadedImage(original, original, region.mask, region.boxes)

    settings = settings_from(args, "avoid" if args.target_class is None else "reach")
    recorded = {"command": "attack", "target_class": args.target_class}
    task = Task(inputs, _paths(args.src), load_image, region_of, recorded)
    return adapt_task(args, task, settings, load)


def _paths(given: Sequence[Path]) -> list[Path]:
    """The files and folders among what was given; standard input is neither."""
    return [path for path in given if path != STANDARD]
