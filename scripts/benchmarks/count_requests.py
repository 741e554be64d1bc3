"""Requests that a run over shards makes of an object store, counted at a local S3 server.

    python scripts/benchmarks/count_requests.py [--json FILE]

Two runs over few small shards, of which one has more, tell the requests of a shard from those of a
run. Billed alike are those that write or list (`PUT`, `POST`, lists), and those that read (`GET`,
`HEAD`); deletions cost nothing. Needs the extra `s3` and moto.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from compare_engines import write_shard

from jaxanon.cli import main as jaxanon

FEW, MORE, IMAGES, SIDE = 2, 6, 3, 64
"""Shards of the two runs, images of a shard, pixels of an image's side."""
WRITES, READS, FREE = "writes and lists", "reads", "deletions"


def main() -> None:
    """Count, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.get_host_and_port()[1]}",
        AWS_ACCESS_KEY_ID="nobody",
        AWS_SECRET_ACCESS_KEY="nothing",
        AWS_DEFAULT_REGION="us-east-1",
    )
    few, more = count(FEW), count(MORE)
    server.stop()
    each = {kind: (more[kind] - few[kind]) / (MORE - FEW) for kind in (WRITES, READS, FREE)}
    once = {kind: few[kind] - FEW * each[kind] for kind in each}
    told = {"a_shard": each, "a_run": once}
    print(json.dumps(told, indent=1))
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")


class Counting(logging.Handler):
    """Counts the requests that a server logs, by kind."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        if kind := kind_of(record.getMessage()):
            self.seen[kind] += 1


def count(shards: int) -> Counter[str]:
    """Requests of each kind that a run over so many shards makes."""
    import s3fs

    bucket, store = f"requests-{shards}", s3fs.S3FileSystem()
    log, counting = logging.getLogger("werkzeug"), Counting()
    log.setLevel(logging.INFO)
    log.propagate = False
    store.mkdir(bucket)
    with tempfile.TemporaryDirectory(prefix="jaxanon-requests-") as name:
        for i in range(shards):
            path = write_shard(Path(name) / f"s{i}.tar", i, IMAGES, SIDE)
            store.put_file(str(path), f"{bucket}/in/{path.name}")
    log.handlers = [counting]
    words = ["anonymize", f"s3://{bucket}/in", "-o", f"s3://{bucket}/out", "--quiet"]
    words += ["--preset", "fast"]
    if jaxanon([*words, "--sources", "tf_efficientnet_lite0"]):
        sys.exit("the run failed")
    log.handlers = [logging.NullHandler()]
    return counting.seen


def kind_of(line: str) -> str | None:
    """What kind of request a line of the server's log tells of."""
    found = re.search(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+) (\S+) HTTP', line)
    if not found:
        return None
    method, path = found.groups()
    if method == "DELETE":
        return FREE
    return WRITES if method in ("PUT", "POST") or "list-type=" in path else READS


if __name__ == "__main__":
    main()
