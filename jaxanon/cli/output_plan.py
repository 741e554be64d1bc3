"""What a run is to write, image by image, and what must not be overwritten or given away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from jaxanon.cli.common import check_sheet, check_side_files
from jaxanon.cli.outputs import OutputOptions
from jaxanon.errors import UsageError
from jaxanon.io.files import discard, output_names, real_path
from jaxanon.io.inputs import InputImage
from jaxanon.io.results import FilePlace
from jaxanon.pipeline.card import CARD
from jaxanon.pipeline.earlier import EarlierRun
from jaxanon.pipeline.gallery import GALLERY, Gallery
from jaxanon.pipeline.item import Item
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.loading import Load
from jaxanon.pipeline.preparation import state_files
from jaxanon.pipeline.thumbnails import has_thumbnails

log = logging.getLogger("jaxanon")


@dataclass(frozen=True)
class OutputPlan:
    """What a run is to write.

    Attributes:
        options: where the results go.
        journal: the run's.
        earlier: what the run that is resumed has done.
        items: the images, with their places.
        gallery: where thumbnails are kept; None without an output folder.
    """

    options: OutputOptions
    journal: Journal
    earlier: EarlierRun
    items: Sequence[Item]
    gallery: Gallery | None = None

    def check(self, inputs: Sequence[Path], more: Sequence[Path]) -> None:
        """Refuse what would be overwritten, and originals shown among the outputs.

        Args:
            inputs: files and folders given.
            more: further files that the run writes.

        Raises:
            UsageError: naming the file and the way out.
        """
        options, items = self.options, self.items
        ours = options.may_overwrite(self.journal)
        written = [Path(item.output.location) for item in items]
        extra = [Path(place.location) for item in items for place in item.extra_outputs]
        extra += more
        journal = options.folder / JOURNAL
        there = [
            path
            for path, item in zip(written, items, strict=True)
            if item.output.exists() and not item.output.overwrite
        ]
        if not ours:
            there += [path for path in (journal, *extra) if path.exists()]
        if there:
            way_out = "give --resume to go on with that run, or --overwrite to begin anew"
            if options.resume:
                way_out = (
                    f"no run on record in {options.folder} made them there: give the folder the "
                    "name that it had, or --overwrite to begin anew"
                )
            raise UsageError(f"{len(there)} outputs exist already, {there[0]} the first; {way_out}")
        originals = {real_path(item.input.name) for item in items}
        for path in (*written, *extra):
            if real_path(path) in originals:
                raise UsageError(f"the output {path} is one of the inputs; choose another folder")
        sheets = {"contact sheet": options.sheet, "preview": options.preview}
        for name, sheet in sheets.items():
            if sheet:
                check_sheet(name, sheet, [options.folder, *options.extra_folders])
        card = None if options.streamed else options.folder / CARD
        side = [path for path in (options.report, options.page, card, *sheets.values()) if path]
        check_side_files(side, inputs, overwrite=ours, taken=[journal, *written, *extra])

    def warn_of_unclaimed(self) -> None:
        """Name what an earlier run wrote and a resumed one does not: no report speaks of it."""
        left = [path for path in self.earlier.unclaimed(self.items) if Path(path).exists()]
        if left:
            log.warning(
                "%d images of the earlier run are not in the new report, %s the first: their "
                "inputs were not given, or are named otherwise now; remove them by hand",
                len(left),
                left[0],
            )

    def discard_earlier(self) -> None:
        """Remove what the run before has written and this one will not: it would pass for ours."""
        folder = real_path(self.options.folder)
        written = self.journal.written()
        earlier = {real_path(location) for location in written.outputs}
        # An adapted image elsewhere is somebody else's, whatever the journal says; what was saved
        # beside them has folders of its own, which this run may not name.
        extra = saved_beside(written, folder)
        ours = {real_path(item.output.location) for item in self.items}
        given = (image for item in self.items for image in (item.input, item.partner) if image)
        extra -= {real_path(image.name) for image in given}
        for path in extra | {path for path in earlier - ours if folder in path.parents}:
            discard(path)
        for name in state_files() if earlier else ():
            discard(folder / name)


def saved_beside(written: EarlierRun, folder: Path) -> set[Path]:
    """What a run has saved beside its adapted images, such as its anonymized ones.

    Args:
        written: the run on record.
        folder: its output folder, resolved.
    """
    found: set[Path] = set()
    for row in written.rows:
        if row.beside is None:
            found |= _beside_by_options(written, Path(row.record.output or ""), folder)
        else:  # a relative path would mean another file from here
            found |= {Path(place) for place in row.beside if Path(place).is_absolute()}
    return {real_path(path) for path in found}


def _beside_by_options(written: EarlierRun, output: Path, folder: Path) -> set[Path]:
    """What an earlier version saved beside an adapted image: it recorded the folders alone."""
    found = set()
    for name in ("save_anonymized", "save_views"):
        aside = Path(str(written.options.get(name) or ""))
        # Relative paths mean the same from here where the relative output is found as well.
        known = aside.parts and (aside.is_absolute() or not output.is_absolute())
        if known and folder in real_path(output).parents:
            found.add(aside / real_path(output).relative_to(folder).with_suffix(".png"))
    return found


def plan_outputs(
    options: OutputOptions,
    journal: Journal,
    inputs: Sequence[InputImage],
    load: Load,
    views: int,
    partner_of: Callable[[InputImage], InputImage | None],
) -> OutputPlan:
    """Lay out the outputs of a run.

    Args:
        options: where they go.
        journal: the run's.
        inputs: the originals.
        load: reads and anonymizes one.
        views: images made from each original.
        partner_of: the anonymized image of an original, where another tool made it.

    Raises:
        UsageError: for an unknown format, or a journal of a run with other options.
    """
    earlier = journal.resume() if options.resume else EarlierRun()
    known = {real_path(location) for location in earlier.outputs}
    names = output_names([image.relative for image in inputs], options.format)
    ours = options.may_overwrite(journal)
    gallery = None if options.page is None else Gallery(options.sink.lines(GALLERY))
    items: list[Item] = []
    for view in range(views):
        below = PurePath(f"view-{view + 1}") if views > 1 else PurePath()
        for image, name in zip(inputs, names, strict=True):
            path = options.folder / below / name
            replaces = options.overwrite or real_path(path) in known
            anonymized, low = (
                FilePlace(folder / below / name.with_suffix(".png"), ours) if folder else None
                for folder in (options.save_anonymized, options.save_views)
            )
            items.append(
                Item(
                    image,
                    options.sink.place(below / name, overwrite=replaces),
                    partial(load, image, view),
                    anonymized,
                    low,
                    view=view + 1 if views > 1 else None,
                    partner=partner_of(image),
                    shown=bool(gallery) and has_thumbnails(len(items), views * len(inputs)),
                )
            )
    return OutputPlan(options, journal, earlier, items, gallery)
