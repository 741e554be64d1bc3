"""`jaxanon anonymize`, `jaxanon adapt` and `jaxanon attack`."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from jaxanon.adaptation.settings import Settings
from jaxanon.anonymizers.methods import MOTIONS, Method, method
from jaxanon.classifiers import registry
from jaxanon.classifiers.weights.checkpoint import CONFIG
from jaxanon.classifiers.weights.hub import PREFIX
from jaxanon.cli.areas import Finder, region_finder, write_preview
from jaxanon.cli.common import (
    Loader,
    check_sheet,
    check_side_files,
    classifiers_named,
    keep_apart,
    load_all,
    split_names,
    write_sheet,
)
from jaxanon.cli.loop_options import settings_from
from jaxanon.display import tables
from jaxanon.errors import ImageError, UsageError, printable
from jaxanon.io import files, images
from jaxanon.io.pairs import Partners, check_orientation, decode_together
from jaxanon.pipeline.cap import Cap
from jaxanon.pipeline.item import Item, Loaded
from jaxanon.pipeline.manifest import JOURNAL, REPORT, Journal, fingerprint, write_json
from jaxanon.pipeline.run import Run
from jaxanon.runtime import compilation
from jaxanon.runtime.devices import mesh


def anonymize(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon anonymize`."""
    compilation.enable_compilation_cache()
    settings = settings_from(args, "keep")
    how = method(args, settings.seed)
    sources = files.find(args.src)
    region_of = region_finder(args, sources)

    def load_image(source: files.InputFile, view: int) -> Loaded:
        original = images.decode(source.path)
        region = region_of(source, original)
        try:
            hidden = how(original, region, view)
        except ImageError as error:
            raise ImageError(f"{source.path}: {error}") from error
        return Loaded(original, hidden.anonymized, region.mask, region.boxes, hidden.low)

    options = {"command": "anonymize", **how.options}
    return _adapt_all(args, load, settings, sources, load_image, options, args.src, region_of, how)


def adapt(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon adapt`: pairs made by any other anonymizer."""
    a, b = args.originals.resolve(), args.anonymized.resolve()
    if a == b or a in b.parents or b in a.parents:
        raise UsageError(f"the folders {args.originals} and {args.anonymized} overlap")
    originals = files.find([args.originals])
    settings = settings_from(args, "keep")
    region_of = region_finder(args, originals)
    partners = Partners(args.anonymized, originals)
    strangers = partners.strangers(originals)
    if strangers and not args.quiet:
        text = f"{len(strangers)} files of {args.anonymized} are of no original, and left out"
        print(f"jaxanon: {text}; {printable(str(strangers[0].path))} is the first", file=sys.stderr)

    def load_image(original: files.InputFile, _view: int) -> Loaded:
        partner = partners.find(original)
        before, after = decode_together(original, partner)
        check_orientation(before, after, partner.path)
        region = region_of(original, before)
        return Loaded(before, after, region.mask, region.boxes)

    options = {"command": "adapt", "anonymized": str(args.anonymized)}
    inputs = [args.originals, args.anonymized]
    return _adapt_all(
        args,
        load,
        settings,
        originals,
        load_image,
        options,
        inputs,
        region_of,
        partner_of=partners.path_of,
    )


def attack(args: Namespace, load: Loader = load_all) -> int:
    """`jaxanon attack`: the same loop the other way round, on photos as they are."""
    sources = files.find(args.src)
    region_of = region_finder(args, sources)

    def load_image(source: files.InputFile, _view: int) -> Loaded:
        original = images.decode(source.path)
        region = region_of(source, original)
        return Loaded(original, original, region.mask, region.boxes)

    settings = settings_from(args, "avoid" if args.target_class is None else "reach")
    options = {"command": "attack", "target_class": args.target_class}
    return _adapt_all(args, load, settings, sources, load_image, options, args.src, region_of)


def _adapt_all(
    args: Namespace,
    load: Loader,
    settings: Settings,
    sources: Sequence[files.InputFile],
    load_image: Callable[[files.InputFile, int], Loaded],
    options: dict[str, Any],
    inputs: Sequence[Path],
    region_of: Finder,
    how: Method | None = None,
    partner_of: Callable[[files.InputFile], Path | None] = lambda _: None,
) -> int:
    """The common part of all three; `inputs` are the files and folders given."""
    names = files.output_names(sources, args.format)
    keep_apart(args.output, inputs)
    aside = _asides(args)
    for i, folder in enumerate(aside):
        if folder:
            keep_apart(folder, [args.output, *inputs, *filter(None, aside[:i])])
    options |= _options(args, settings)
    journal = Journal(args.output, options)
    done, known = journal.resume() if args.resume else ({}, set())
    ours = args.overwrite or (args.resume and journal.path.is_file())
    views = how.views if how else 1
    items = []
    for view in range(views):
        below = Path(f"view-{view + 1}") if views > 1 else Path()
        for source, name in zip(sources, names, strict=True):
            output = args.output / below / name
            anonymized, low = (
                folder / below / name.with_suffix(".png") if folder else None for folder in aside
            )
            item = Item(
                source.path,
                output,
                partial(load_image, source, view),
                anonymized,
                overwrite=args.overwrite or output.resolve() in known,
                overwrite_anonymized=ours,
                low_output=low,
                view=view + 1 if views > 1 else None,
                partner=partner_of(source),
            )
            items.append(item)
    _check_outputs(args, items, inputs, ours)
    compilation.enable_compilation_cache()
    on = mesh(args.devices)
    adapted_to = classifiers_named("--sources", args.sources)
    held_out = split_names(args.targets)
    twice = {registry.find(n).name for n in adapted_to} & {registry.find(n).name for n in held_out}
    if twice and not any("@" in name for name in (*adapted_to, *held_out)):
        raise UsageError(
            f"--targets has {', '.join(sorted(twice))}, which is among --sources {args.sources}; "
            "a target is never adapted to: name other targets, or give --sources without it"
        )
    cap = None
    if args.cap is not None:
        judge = args.judge or ("faces" if args.regions == "faces" else "targets")
        cap = Cap(args.cap, judge, len(adapted_to), len(held_out))
    loaded = load([*adapted_to, *held_out], quiet=args.quiet)
    classifiers, others = loaded[: len(adapted_to)], loaded[len(adapted_to) :]
    run = Run(
        items,
        classifiers,
        others,
        settings,
        args.format,
        options,
        journal,
        mesh=on,
        slots=args.slots,
        target_class=getattr(args, "target_class", None),
        cap=cap,
        quiet=args.quiet,
    )
    if args.preview:
        write_preview(args.preview, sources, region_of)
    if args.overwrite:
        before = journal.outputs()
        if before:
            files.discard(args.output / MOTIONS)
        for path in before - {item.output.resolve() for item in items}:
            files.discard(path)  # of the run before: they would pass for this one's
    if how:
        journal.start()  # so that what is prepared is known for this run's, should it end here
        how.prepare(run.sources, sources, args.output, resume=args.resume)
    report = run.execute({name: r for name, r in done.items() if Path(str(r.output)).is_file()})
    write_json(args.report or args.output / REPORT, report)
    if args.sheet:
        write_sheet(args.sheet, items, report, run.everyone)
    if not args.quiet:
        print(tables.closing(report))
    return 1 if report["summary"]["failed"] else 0


def _asides(args: Namespace) -> list[Path | None]:
    """Folders besides the output that hold what may be published."""
    return [args.save_anonymized, getattr(args, "save_views", None)]


def _options(args: Namespace, settings: Settings) -> dict[str, Any]:
    """All that the result depends on, for the report and to know a run again."""
    read = [name.partition("@")[2] for name in split_names(f"{args.sources},{args.targets or ''}")]
    read += [args.regions] if args.regions not in ("whole", "faces") else []
    read += [str(path) for path in (args.also, args.exempt) if path]
    found = {"threshold": args.threshold, "grow": args.grow}
    return {
        "regions": args.regions,
        **{name: value for name, value in found.items() if value is not None},
        **{name: str(getattr(args, name)) for name in ("also", "exempt") if getattr(args, name)},
        "sources": args.sources,
        "targets": args.targets,
        "preset": args.preset,
        "format": args.format,
        **({} if args.cap is None else {"cap": args.cap, "judge": args.judge}),
        "save_anonymized": str(args.save_anonymized) if args.save_anonymized else None,
        "files_state": [fingerprint(path) for path in _with_configurations(read)],
        **{key: str(v) if v == float("inf") else v for key, v in asdict(settings).items()},
    }


def _with_configurations(read: Sequence[str]) -> list[Path]:
    """The files and folders named, and the `config.json` beside a file."""
    paths = [Path(text).expanduser() for text in read if text and not text.startswith(PREFIX)]
    return paths + [path.parent / CONFIG for path in paths if path.is_file()]


def _check_outputs(
    args: Namespace, items: Sequence[Item], inputs: Sequence[Path], ours: bool
) -> None:
    """Refuse what would be overwritten, and originals shown among the outputs."""
    written = [item.output for item in items]
    written += [item.anonymized_output for item in items if item.anonymized_output]
    written += [item.low_output for item in items if item.low_output]
    written += [args.output / MOTIONS] if getattr(args, "method", None) == "isr" else []
    journal, report = args.output / JOURNAL, args.report or args.output / REPORT
    there = [item.output for item in items if item.output.exists() and not item.overwrite]
    if not ours:
        there += [path for path in (journal, *written[len(items) :]) if path.exists()]
    if there:
        raise UsageError(
            f"{len(there)} outputs exist already, {there[0]} the first; "
            "give --resume to go on with that run, or --overwrite to begin anew"
        )
    originals = {item.input.resolve() for item in items}
    for path in written:
        if path.resolve() in originals:
            raise UsageError(f"the output {path} is one of the inputs; choose another folder")
    sheets = {"contact sheet": args.sheet, "preview": args.preview}
    for name, sheet in sheets.items():
        if sheet:
            check_sheet(name, sheet, [args.output, *_asides(args)])
    side = [report, *filter(None, sheets.values())]
    check_side_files(side, inputs, overwrite=ours, taken=[journal, *written])
