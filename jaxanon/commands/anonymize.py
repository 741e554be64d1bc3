"""`jaxanon anonymize` and `jaxanon adapt`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from jaxanon import images, tables
from jaxanon.adaptation.settings import Settings, preset
from jaxanon.anonymizers import anonymize as obscure
from jaxanon.anonymizers import strength_of
from jaxanon.commands.common import load_all, split_names, write_sheet
from jaxanon.ensemble import Ensemble
from jaxanon.errors import UsageError
from jaxanon.manifest import JOURNAL, REPORT, Journal, Record, write_json
from jaxanon.pairs import Partners, same_size
from jaxanon.regions import Regions, regions
from jaxanon.run import Item, Loaded, Run


def anonymize(args: Namespace) -> int:
    """`jaxanon anonymize`."""
    strength = strength_of(args.method, args.strength)
    where = regions(args.regions)
    sources = images.find(args.src)
    _keep_apart(args.output, args.src)

    def load(source: images.Source) -> Loaded:
        original = images.decode(source.path)
        region = where(source.relative, original.shape[0], original.shape[1])
        return Loaded(original, obscure(original, region, args.method, strength), region.mask)

    options = {
        "command": "anonymize",
        "method": args.method,
        "strength": strength,
        "regions": args.regions,
    }
    return _adapt_all(args, sources, load, options, [source.path for source in sources])


def adapt(args: Namespace) -> int:
    """`jaxanon adapt`: pairs made by any other anonymizer."""
    where = regions(args.regions)
    originals = images.find([args.originals])
    partners = Partners(args.anonymized)
    _keep_apart(args.output, [args.originals, args.anonymized])

    def load(original: images.Source) -> Loaded:
        return _pair(original, partners.of(original), where)

    options = {"command": "adapt", "anonymized": str(args.anonymized), "regions": args.regions}
    return _adapt_all(args, originals, load, options, [source.path for source in originals])


def _pair(original: images.Source, anonymized: images.Source, where: Regions) -> Loaded:
    before, after = images.decode(original.path), images.decode(anonymized.path)
    same_size(original, anonymized, [before.shape, after.shape])
    region = where(original.relative, after.shape[0], after.shape[1])
    return Loaded(before, after, region.mask)


def _adapt_all(
    args: Namespace,
    sources: Sequence[images.Source],
    load: Callable[[images.Source], Loaded],
    options: dict[str, Any],
    inputs: Sequence[Path],
) -> int:
    """The common part of `anonymize` and `adapt`."""
    settings = preset(args.preset, eps=args.eps, steps=args.steps, seed=args.seed, loss=args.loss)
    items = [
        Item(
            source.path,
            args.output / name,
            partial(load, source),
            args.save_anonymized / name.with_suffix(".png") if args.save_anonymized else None,
        )
        for source, name in zip(sources, images.output_names(sources, args.format), strict=True)
    ]
    _check_outputs(args, items, inputs)
    classifiers = load_all(split_names(args.sources))
    others = load_all(split_names(args.targets))
    ensemble = Ensemble(classifiers)
    Ensemble([*classifiers, *others])  # refuses a name that stands twice
    options |= {
        "sources": args.sources,
        "targets": args.targets,
        "preset": args.preset,
        "format": args.format,
        **_plain(settings),
    }
    journal = Journal(args.output, options)
    done: dict[str, Record] = journal.resume() if args.resume else {}
    done = {name: record for name, record in done.items() if _still_there(record)}
    run = Run(
        items,
        ensemble,
        Ensemble(others) if others else None,
        settings,
        args.format,
        options,
        journal,
        overwrite=args.overwrite or args.resume,
        quiet=args.quiet,
    )
    report = run.execute(done)
    write_json(args.report or args.output / REPORT, report)
    if args.sheet:
        write_sheet(args.sheet, items, report, run.everyone)
    if not args.quiet:
        print(tables.closing(report))
    return 1 if report["summary"]["failed"] else 0


def _plain(settings: Settings) -> dict[str, Any]:
    return {key: str(v) if v == float("inf") else v for key, v in asdict(settings).items()}


def _still_there(record: Record) -> bool:
    return record.output is not None and Path(record.output).is_file()


def _keep_apart(output: Path, inputs: Sequence[Path]) -> None:
    """Refuse an output folder that lies in an input folder, or the reverse."""
    out = output.resolve()
    for given in inputs:
        folder = given.resolve() if given.is_dir() else given.resolve().parent
        inside = out == folder or (given.is_dir() and folder in out.parents)
        if inside or (given.is_dir() and out in folder.parents):
            raise UsageError(
                f"the output folder {output} and the input {given} overlap; "
                "choose an output folder elsewhere"
            )


def _check_outputs(args: Namespace, items: Sequence[Item], inputs: Sequence[Path]) -> None:
    """Refuse what would be overwritten, and originals shown among the outputs."""
    if args.save_anonymized:
        _keep_apart(args.save_anonymized, [args.output])
        _keep_apart(args.save_anonymized, inputs)
    if args.sheet and args.output.resolve() in args.sheet.resolve().parents:
        raise UsageError(
            f"the contact sheet {args.sheet} shows the originals; "
            f"keep it outside the output folder {args.output}"
        )
    if args.sheet and args.sheet.suffix != ".png":
        raise UsageError(f"the contact sheet {args.sheet} is a PNG; name it .png")
    if args.overwrite or args.resume:
        return
    report = args.report or args.output / REPORT
    wanted = [args.output / JOURNAL, report, *(item.output for item in items)]
    wanted += [item.anonymized_output for item in items if item.anonymized_output]
    wanted += [args.sheet] if args.sheet else []
    there = [path for path in wanted if path.exists()]
    if there:
        raise UsageError(
            f"{len(there)} outputs exist already, {there[0]} the first; "
            "give --resume to go on with that run, or --overwrite to begin anew"
        )
