"""Seconds that summing up a run over shards takes.

    python scripts/benchmarks/measure_report.py [--shards 200] [--images 500] [--json FILE]

The manifest is made for it: records of one adapted image, in so many shards, without the images.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from compare_engines import write_shard

from jaxanon.cli import main as jaxanon
from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.pipeline.manifest import FOLDER, Manifest
from jaxanon.pipeline.manifest_report import sum_up
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.shard_done import ShardDone


def main() -> None:
    """Make a manifest, sum it up, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--shards", type=int, default=200)
    parser.add_argument("--images", type=int, default=500, help="per shard")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jaxanon-report-") as name:
        folder = Path(name)
        shard = write_shard(folder / "s.tar", 0, 1, 64)
        words = ["anonymize", shard, "-o", folder / "out", "--quiet", "--preset", "fast"]
        jaxanon([*map(str, words), "--sources", "tf_efficientnet_lite0"])
        manifest = Manifest(FolderStore(folder / "out"))
        (done,) = manifest.shards()
        (record,) = manifest.records(done)
        for i in range(args.shards):
            again(manifest, done, record, f"t{i:06d}.tar", args.images)
        begin = time.perf_counter()
        summary = sum_up(manifest)
        seconds = time.perf_counter() - begin
        size = sum(path.stat().st_size for path in (folder / "out" / FOLDER).glob("*.jsonl"))
    images = summary["images"]
    told = {
        "images": images,
        "shards": summary["shards"],
        "images_per_second": round(images / seconds),
        "bytes_of_a_record": round(size / images),
    }
    print(json.dumps(told, indent=1))
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")


def again(manifest: Manifest, done: ShardDone, record: Record, name: str, images: int) -> None:
    """Say of a further shard that it is finished, with so many records, and the same file."""
    out = manifest.store.scratch
    assert out
    (out / name).hardlink_to(out / done.file)
    size, digest = manifest.write_records(name, [record] * images)
    done = replace(done, shard=name, file=name, images=images)
    manifest.finish(replace(done, records_size=size, records_sha256=digest))


if __name__ == "__main__":
    main()
