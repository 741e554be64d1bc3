"""What `jaxanon anonymize`, `adapt` and `attack` share: from their options to a report."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxanon.adaptation.settings import Settings
from jaxanon.anonymizers import Anonymizer
from jaxanon.classifiers import registry
from jaxanon.classifiers.weights.checkpoint import CONFIG
from jaxanon.classifiers.weights.hub import PREFIX
from jaxanon.cli.common import Loader, classifiers_named, split_names
from jaxanon.cli.outputs import Load, OutputOptions, plan_outputs
from jaxanon.cli.sheets import write_preview, write_sheet
from jaxanon.display import tables
from jaxanon.errors import UsageError
from jaxanon.io.files import fingerprint, write_json
from jaxanon.io.inputs import InputFile, InputImage
from jaxanon.io.results import OutputFolder
from jaxanon.pipeline.cap import Cap
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.preparation import prepare, state_files
from jaxanon.pipeline.run import Run, RunOptions
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

    inputs: Sequence[InputFile]
    given: Sequence[Path]
    load: Load
    region_of: RegionFinder
    recorded: Mapping[str, Any]
    anonymizer: Anonymizer | None = None
    partner_of: Callable[[InputImage], InputImage | None] = lambda _: None


@dataclass(frozen=True)
class ModelOptions:
    """The classifiers of a run, by name.

    Attributes:
        sources: those to adapt to.
        targets: those to evaluate only.
    """

    sources: Sequence[str]
    targets: Sequence[str]

    @classmethod
    def from_args(cls, args: Namespace) -> ModelOptions:
        """The classifiers of a command line.

        Raises:
            UsageError: when there is no source, or a source is also a target.
        """
        sources, targets = classifiers_named("--sources", args.sources), split_names(args.targets)
        names = [{registry.find(name).name for name in group} for group in (sources, targets)]
        twice = names[0] & names[1]
        if twice and not any("@" in name for name in (*sources, *targets)):
            raise UsageError(
                f"--targets has {', '.join(sorted(twice))}, which is among --sources "
                f"{args.sources}; a target is never adapted to: name other targets, or give "
                "--sources without it"
            )
        return cls(sources, targets)


def adapt_task(args: Namespace, task: Task, settings: Settings, load: Loader) -> int:
    """Run a task with the options of its command; returns the exit status."""
    outputs = OutputOptions.from_args(args)
    outputs.keep_apart(task.given)
    recorded = {**task.recorded, **shared_options(args, settings)}
    journal = Journal(OutputFolder(outputs.folder).lines(JOURNAL), recorded)
    views = task.anonymizer.views if task.anonymizer else 1
    plan = plan_outputs(outputs, journal, task.inputs, task.load, views, task.partner_of)
    method = task.anonymizer.name if task.anonymizer else None
    states = [outputs.folder / name for name in state_files(method)] if method else []
    plan.check(task.given, states)
    compilation.enable_compilation_cache()
    devices = mesh(args.devices)
    models = ModelOptions.from_args(args)
    cap = _cap(args, models)
    classifiers = load([*models.sources, *models.targets], quiet=args.quiet)
    options = RunOptions(
        form=args.format,
        mesh=devices,
        slots=args.slots,
        target_class=vars(args).get("target_class"),
        cap=cap,
        quiet=args.quiet,
    )
    count = len(models.sources)
    run = Run(plan.items, classifiers[:count], classifiers[count:], settings, journal, options)
    if outputs.preview:
        write_preview(outputs.preview, task.inputs, task.region_of)
    if outputs.overwrite:
        plan.discard_earlier()
    if task.anonymizer:
        journal.start()  # so that what is prepared is known for this run's, should it end here
        results = OutputFolder(outputs.folder)
        prepare(task.anonymizer, run.sources, task.inputs, results, resume=outputs.resume)
    report = run.execute(plan.earlier.unchanged(plan.items))
    write_json(outputs.report, report)
    if outputs.sheet:
        write_sheet(outputs.sheet, plan.items, report, run.ensemble)
    if not args.quiet:
        print(tables.closing(report))
    return 1 if report["summary"]["failed"] else 0


def _cap(args: Namespace, models: ModelOptions) -> Cap | None:
    """The bound on how well a saved image may lead to its original, if one is asked for."""
    limit, judge = vars(args).get("cap"), vars(args).get("judge")
    if limit is None:
        return None
    judge = judge or ("faces" if args.regions == "faces" else "targets")
    return Cap(limit, judge, len(models.sources), len(models.targets))


def shared_options(args: Namespace, settings: Settings) -> dict[str, Any]:
    """All shared options that results depend on, for the report and to know a run again."""
    files_read = [
        name.partition("@")[2] for name in split_names(f"{args.sources},{args.targets or ''}")
    ]
    files_read += [args.regions] if args.regions not in ("whole", "faces") else []
    listed = {"also": args.also, "exempt": args.exempt}
    files_read += [str(path) for path in listed.values() if path]
    search = {"threshold": args.threshold, "grow": args.grow}
    cap = vars(args).get("cap")
    save_anonymized = vars(args).get("save_anonymized")
    return {
        "regions": args.regions,
        **{name: value for name, value in search.items() if value is not None},
        **{
            name: str(path) for name, path in (("also", args.also), ("exempt", args.exempt)) if path
        },
        "sources": args.sources,
        "targets": args.targets,
        "preset": args.preset,
        "format": args.format,
        **({} if cap is None else {"cap": cap, "judge": args.judge}),
        "save_anonymized": str(save_anonymized) if save_anonymized else None,
        "files_state": [fingerprint(path) for path in _with_configurations(files_read)],
        **{key: str(v) if v == float("inf") else v for key, v in asdict(settings).items()},
    }


def _with_configurations(names: Sequence[str]) -> list[Path]:
    """The files and folders named, and the `config.json` beside a file."""
    paths = [Path(text).expanduser() for text in names if text and not text.startswith(PREFIX)]
    return paths + [path.parent / CONFIG for path in paths if path.is_file()]
