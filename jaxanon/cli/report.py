"""`jaxanon report`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from jaxanon.display.tables import closing, closing_of_shards
from jaxanon.io.stores import open_store
from jaxanon.pipeline.files_report import report_again
from jaxanon.pipeline.manifest import Manifest
from jaxanon.pipeline.manifest_report import sum_up


def report(args: Namespace, load: object = None) -> int:
    """Write the page of a run anew, over shards `report.json` too; print what it came to."""
    manifest = Manifest(open_store(args.folder))
    if isinstance(args.folder, Path) and not manifest.exists():
        found = report_again(args.folder)
        summary, text = found["summary"], closing(found)
    else:
        summary = sum_up(manifest)
        text = closing_of_shards(manifest.run(), summary)
    if not args.quiet:
        print(text)
    return 1 if summary["failed"] or summary.get("lacking") else 0
