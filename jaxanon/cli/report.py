"""`jaxanon report`."""

from __future__ import annotations

from argparse import Namespace

from jaxanon.display.tables import closing_of_shards
from jaxanon.io.stores import open_store
from jaxanon.pipeline.manifest import Manifest
from jaxanon.pipeline.manifest_report import sum_up


def report(args: Namespace, load: object = None) -> int:
    """Write `report.json` anew from the manifest, and print what the run came to."""
    manifest = Manifest(open_store(args.folder))
    summary = sum_up(manifest)
    if not args.quiet:
        print(closing_of_shards(manifest.run(), summary))
    return 1 if summary["failed"] else 0
