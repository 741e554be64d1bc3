"""The report of a run over files once more: as it ended, or of one that was stopped."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from jaxanon.display.page.contents import Contents
from jaxanon.errors import UsageError
from jaxanon.io.files import write
from jaxanon.io.json_files import read_json
from jaxanon.io.results import OutputFolder
from jaxanon.pipeline.card import CARD, card, has_card
from jaxanon.pipeline.earlier import EarlierRun
from jaxanon.pipeline.gallery import GALLERY, Gallery
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.page import PAGE, contents_of, page
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.report import REPORT, Report
from jaxanon.pipeline.tally import Tally


def report_again(folder: Path) -> Report:
    """Write page and card of a run anew; returns its report.

    The report of a stopped run comes from its journal. It does not say what the run took.

    Args:
        folder: the run's output folder.

    Raises:
        UsageError: when no run has left anything there, or its report is damaged.
        ImageError: when they cannot be written.
    """
    report = report_of(folder)
    gallery = Gallery(OutputFolder(folder).lines(GALLERY))
    contents = contents_of(report, report["images"], gallery.read())
    write(folder / PAGE, page(contents))
    write_card(folder, report, contents)
    return report


def write_card(folder: Path, run: Report, contents: Contents) -> None:
    """Write the card of a run over files, with the licence that an earlier one has.

    Raises:
        ImageError: when it cannot be written.
    """
    if not has_card(run):
        return
    path = folder / CARD
    before = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
    write(path, card(run, contents, before))


def report_of(folder: Path) -> Report:
    """The report of a run over files: that of a stopped one comes from its journal.

    Raises:
        UsageError: when no run has left anything there, or its report is damaged.
    """
    journal = Journal(OutputFolder(folder).lines(JOURNAL), {})
    report = _ended(folder) or _stopped(journal.written())
    if report is None:
        what = "no run was begun here, neither over shards nor over files"
        if not folder.is_dir():
            what = "is a file; give a folder" if folder.exists() else "does not exist"
        raise UsageError(f"{folder}: {what}")
    return report


def _ended(folder: Path) -> Report | None:
    """The report that lies there; None where there is none, or a later run was stopped."""
    path, journal = folder / REPORT, folder / JOURNAL
    if not path.is_file():
        return None
    if journal.is_file() and journal.stat().st_mtime > path.stat().st_mtime:
        return None
    try:
        found = read_json(path)
        wanted = {"settings", "classifiers", "images", "summary"}
        if not isinstance(found, dict) or not wanted <= found.keys():
            raise ValueError("no report of a run")
        for each in found["images"]:
            Record(**each)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        way_out = "remove it, and have the journal beside it summed up"
        raise UsageError(f"{path}: cannot be used: {error}; {way_out}") from error
    return found


def _stopped(run: EarlierRun) -> Report | None:
    """The report of what a journal has on record; None where that is nothing."""
    records = list({row.record.key: row.record for row in run.rows}.values())
    if not records:
        return None
    names = list(dict.fromkeys(name for record in records for name in record.decisions))
    sources = len(str(run.options.get("sources", "")).split(","))
    tally = Tally(names)
    for record in records:
        tally.add(record)
    found: dict[str, Any] = {
        "settings": dict(run.options),
        "classifiers": [
            {"name": name, "role": "source" if number < sources else "target"}
            for number, name in enumerate(names)
        ],
        "summary": tally.summary(0.0, 0),
        "images": [asdict(record) for record in records],
    }
    return found
