"""What `jaxanon anonymize`, `adapt` and `attack` share: from their options to a report."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxanon.adaptation.settings import Settings
from jaxanon.anonymizers import Anonymizer
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.outside.classifier import Outside
from jaxanon.classifiers.outside.loading import load as load_outside
from jaxanon.classifiers.outside.naming import is_outside
from jaxanon.classifiers.outside.remembered import Remembered
from jaxanon.classifiers.weights.checkpoint import CONFIG
from jaxanon.classifiers.weights.hub import PREFIX
from jaxanon.cli.common import Loader, split_names
from jaxanon.cli.output_plan import OutputPlan, plan_outputs
from jaxanon.cli.outputs import OutputOptions
from jaxanon.cli.reading_flags import recorded_reading
from jaxanon.cli.region_flags import RegionOptions
from jaxanon.cli.sheets import with_originals, write_preview, write_sheet
from jaxanon.cli.task_options import CapOptions, ModelOptions
from jaxanon.display import tables
from jaxanon.errors import UsageError
from jaxanon.io.files import fingerprint, real_path, write, write_json
from jaxanon.io.inputs import InputImage
from jaxanon.pipeline.files_report import write_card
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.loading import Load
from jaxanon.pipeline.page import contents_of, page
from jaxanon.pipeline.preparation import prepare, state_files
from jaxanon.pipeline.report import Report
from jaxanon.pipeline.run import Run
from jaxanon.pipeline.stages import RunOptions
from jaxanon.pipeline.tracking import check_tracker, track
from jaxanon.regions.finder import RegionFinder
from jaxanon.runtime import compilation
from jaxanon.runtime.devices import mesh


@dataclass(frozen=True)
class Task:
    """What a command wants to have adapted.

    Attributes:
        inputs: the originals.
        given: files and folders of the command line, which outputs must keep out of.
        load: reads and anonymizes an original.
        region_of: finds what is private in an original.
        recorded: what the results depend on besides the options that all commands share.
        anonymizer: what hides; None where another tool did, or nothing is hidden.
        partner_of: the anonymized image of an original, where another tool made it.
    """

    inputs: Sequence[InputImage]
    given: Sequence[Path]
    load: Load
    region_of: RegionFinder
    recorded: Mapping[str, Any]
    anonymizer: Anonymizer | None = None
    partner_of: Callable[[InputImage], InputImage | None] = lambda _: None


def adapt_task(args: Namespace, task: Task, settings: Settings, load: Loader) -> int:
    """Run a task with the options of its command, and tell; returns the exit status."""
    report = carry_out(args, task, settings, load)
    if not args.quiet:
        outputs = OutputOptions.from_args(args)
        to = sys.stderr if outputs.streamed else sys.stdout
        print(tables.closing(report), file=to)
        if outputs.page:
            print(f"to look at: {outputs.page}", file=to)
    return 1 if report["summary"]["failed"] else 0


def carry_out(args: Namespace, task: Task, settings: Settings, load: Loader) -> Report:
    """Run a task with the options of its command; returns its report."""
    outputs = OutputOptions.from_args(args)
    outputs.keep_apart(task.given)
    check_tracker(args.track)
    if args.track and outputs.streamed:
        raise UsageError("--track needs an output folder, not -o -")
    plan = _plan(task, outputs, recorded_of(args, task.recorded, settings))
    adapted_to, others, oracles = load_models(args, load)
    options = replace(run_options(args), oracles=oracles)
    run = Run(plan.items, adapted_to, others, settings, plan.journal, options, plan.gallery)
    # Earlier answers may go now: nothing refuses this run any more.
    run.stages.remember(Remembered(str(real_path(outputs.folder)), resume=outputs.resume))
    report = _execute(run, task, plan)
    if args.track:
        track(args.track, report, outputs.folder)
    return report


def recorded_of(args: Namespace, more: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """What journal and report say of the options: all that the results depend on.

    Args:
        args: the command line.
        more: what this command alone has.
        settings: options of the loop.
    """
    models, regions = ModelOptions.from_args(args), RegionOptions.from_args(args)
    return {
        **more,
        **regions.recorded(),
        **models.recorded(),
        **recorded_reading(args),
        "preset": args.preset,
        **OutputOptions.from_args(args).recorded(),
        **CapOptions.from_args(args).recorded(),
        "files_state": _states([*models.files(), *regions.files()]),
        **settings.recorded(),
    }


def run_options(args: Namespace) -> RunOptions:
    """How the run of a command line goes about its images.

    Raises:
        UsageError: for devices that are not there, or a cap without a judge.
    """
    compilation.enable_compilation_cache()
    sources, targets = ModelOptions.from_args(args).names()
    judges = [name for name in targets if not is_outside(name)]
    cap = CapOptions.from_args(args).cap(args.regions, len(sources), len(judges))
    return RunOptions(
        form=args.format,
        mesh=mesh(args.devices),
        slots=args.slots,
        target_class=vars(args).get("target_class"),
        cap=cap,
        quiet=args.quiet,
        resize_on=args.resize_on,
    )


def load_models(
    args: Namespace, load: Loader
) -> tuple[Sequence[Classifier], Sequence[Classifier | Outside], tuple[str, ...]]:
    """The sources of a command line, its targets and oracles, and which of them are oracles."""
    options = ModelOptions.from_args(args)
    sources, targets = options.names()
    asked = split_names(options.oracles)
    others = [*targets, *asked]
    inside = [name for name in others if not is_outside(name)]
    loaded = load([*sources, *inside], quiet=args.quiet)
    held_out = iter(loaded[len(sources) :])
    found = [load_outside(name) if is_outside(name) else next(held_out) for name in others]
    names = tuple(each.name for each in found[len(targets) :])
    return loaded[: len(sources)], found, names


def _plan(task: Task, outputs: OutputOptions, recorded: Mapping[str, object]) -> OutputPlan:
    """Lay out what a task writes, and refuse what must not be written."""
    views = task.anonymizer.views if task.anonymizer else 1
    states = state_files(task.anonymizer.name) if task.anonymizer else []
    keeps_state = task.anonymizer.name if task.anonymizer and states else None
    outputs.check_streamed(views * len(task.inputs), keeps_state)
    journal = Journal(outputs.sink.lines(JOURNAL), recorded)
    plan = plan_outputs(outputs, journal, task.inputs, task.load, views, task.partner_of)
    plan.check(task.given, [outputs.folder / name for name in states])
    return plan


def _execute(run: Run, task: Task, plan: OutputPlan) -> Report:
    """Carry out a run, and write what is wanted besides the images; returns the report."""
    outputs = plan.options
    if outputs.preview:
        write_preview(outputs.preview, task.inputs, task.region_of)
    if not run.options.quiet:
        plan.warn_of_unclaimed()
    if outputs.overwrite:
        plan.discard_earlier()
    if task.anonymizer:
        plan.journal.start()  # so that what is prepared is known for this run's, if it ends here
        prepare(
            task.anonymizer, run.stages.sources, task.inputs, outputs.sink, resume=outputs.resume
        )
    report = run.execute(plan.earlier.unchanged(plan.items))
    if outputs.report:
        write_json(outputs.report, report)
    if outputs.page and run.gallery:
        thumbnails = run.gallery.read()
        if outputs.with_originals:
            thumbnails = with_originals(thumbnails, plan.items)
        contents = contents_of(report, report["images"], thumbnails)
        write(outputs.page, page(contents))
        write_card(outputs.folder, report, contents)
    if outputs.sheet:
        write_sheet(outputs.sheet, plan.items, report, run.stages.ensemble)
    return report


def _states(names: Sequence[str]) -> list[str]:
    """Fingerprints of the files and folders named, and of the `config.json` beside a file."""
    paths = [Path(name).expanduser() for name in names if name and not name.startswith(PREFIX)]
    paths += [path.parent / CONFIG for path in paths if path.is_file()]
    return [fingerprint(path) for path in paths]
