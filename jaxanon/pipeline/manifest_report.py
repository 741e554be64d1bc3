"""The report of a run over shards, computed from its manifest record by record."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from jaxanon.io.durable import DurableFile
from jaxanon.pipeline.manifest import Manifest
from jaxanon.pipeline.tally import Tally


def write_report(manifest: Manifest, path: Path) -> dict[str, Any]:
    """Write the report of what is finished of a run; returns its summary.

    The file is that of a run over files, written one image after the other.

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
    summary = {**tally.summary(seconds, tally.images), "shards": len(shards)}
    text = json.dumps({**run, "summary": summary}, indent=1, allow_nan=False)
    head = text.removesuffix("}").rstrip()
    file = DurableFile(path)
    try:
        file.write(f'{head},\n "images": ['.encode())
        between = "\n"
        for done in shards:
            for record in manifest.records(done):
                if record.output:  # where it lies seen from here, as of files
                    record = replace(record, output=str(manifest.output / record.output))
                row = json.dumps(asdict(record), allow_nan=False)
                file.write(f"{between}  {row}".encode())
                between = ",\n"
        file.write(b"\n ]\n}\n")
        file.commit()
    finally:
        file.discard()
    return {**summary, "statuses": dict(tally.statuses)}
