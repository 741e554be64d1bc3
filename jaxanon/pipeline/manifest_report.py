"""The report of a run over shards, computed from its manifest record by record."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from jaxanon.io.durable import DurableFile
from jaxanon.io.new_file import NewFile
from jaxanon.pipeline import pace, shard_gallery
from jaxanon.pipeline.card import CARD, card
from jaxanon.pipeline.manifest import Manifest
from jaxanon.pipeline.manifest_tables import write_metadata, write_table
from jaxanon.pipeline.page import PAGE, contents_of, page, page_beside
from jaxanon.pipeline.report import REPORT
from jaxanon.pipeline.tally import Tally
from jaxanon.pipeline.unfinished import unfinished


def sum_up(manifest: Manifest, report: Path | None = None) -> dict[str, Any]:
    """Write all that is computed from the manifest; returns the summary of the report.

    Args:
        manifest: the run's.
        report: file for the report; None for its place in the output folder.

    Raises:
        UsageError: where the manifest cannot be read.
        ImageError: when something cannot be written.
    """
    store = manifest.store
    make = partial(DurableFile, report) if report else partial(store.create, REPORT)
    summary = write_report(manifest, make)
    make = partial(DurableFile, page_beside(report)) if report else partial(store.create, PAGE)
    write_pages(manifest, summary, make)
    write_metadata(manifest)
    write_table(manifest)
    return summary


def write_pages(manifest: Manifest, summary: dict[str, Any], create: Callable[[], NewFile]) -> None:
    """Write the page and the card of what is finished of a run.

    Args:
        manifest: the run's.
        summary: what the report sums up.
        create: makes the new file of the page.

    Raises:
        UsageError: where the manifest cannot be read.
        ImageError: when they cannot be written.
    """
    shards = list(manifest.shards())
    rows = (asdict(each) for done in shards for each in manifest.records(done))
    timing = {"throughput": pace.over_shards(shards)}
    run = {**manifest.run(), "summary": summary, "timing": timing}
    contents = contents_of(run, rows, shard_gallery.read(manifest.store))
    to = create()
    try:
        to.write(page(contents))
        to.commit()
    finally:
        to.discard()
    store = manifest.store
    before = store.read(CARD).decode(errors="replace") if store.exists(CARD) else None
    store.write(CARD, card(run, contents, before))


def write_report(manifest: Manifest, create: Callable[[], NewFile]) -> dict[str, Any]:
    """Write the report of what is finished of a run.

    The file is that of a run over files, written one image after the other.

    Args:
        manifest: the run's.
        create: makes the new file of the report.

    Returns:
        Its summary; `statuses`, how many images have which; `lacking`, names of unfinished units.

    Raises:
        UsageError: where the manifest cannot be read.
        ImageError: when the report cannot be written.
    """
    run = manifest.run()
    tally, seconds = Tally(each["name"] for each in run["classifiers"]), 0.0
    shards = list(manifest.shards())
    for done in shards:
        seconds += done.seconds
        for record in manifest.records(done):
            tally.add(record)
    lacking = unfinished(manifest, {done.shard for done in shards})
    summary = {
        **tally.summary(seconds, tally.images),
        "shards": len(shards),
        "unfinished": len(lacking),
    }
    text = json.dumps({**run, "summary": summary}, indent=1, allow_nan=False)
    head = text.removesuffix("}").rstrip()
    to = create()
    try:
        to.write(f'{head},\n "images": ['.encode())
        between = "\n"
        for done in shards:
            for record in manifest.records(done):
                if record.output:  # where it lies seen from here, as of files
                    record = replace(record, output=f"{manifest.store.name}/{record.output}")
                row = json.dumps(asdict(record), allow_nan=False)
                to.write(f"{between}  {row}".encode())
                between = ",\n"
        to.write(b"\n ]\n}\n")
        to.commit()
    finally:
        to.discard()
    return {**summary, "statuses": dict(tally.statuses), "lacking": lacking}
