"""Kill runs over shards at random moments, resume them, and compare with one that nobody killed.

    python scripts/experiments/kill_runs.py [--runs 30] [--seed 0] [--json FILE]

In turn a run in one process is killed (`kill -9`), one of two that share the shards, a worker of a
Ray run, a Ray run's driver, and one of a Ray cluster's two nodes; after a random time, and half of
them twice. Each is then resumed until it ends, some with another number of workers. Every run must
come out byte for byte like the whole one, and pass `check_run.py`. Exit status 1 where one does
not. Needs the extra `cluster`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from compare_engines import PROGRAM, write_shard
from local_nodes import LOOPBACK

VICTIMS = ("local", "share", "worker", "driver", "node")
NODES = Path(__file__).with_name("local_nodes.py")
CHECK = Path(__file__).parents[1] / "tools" / "check_run.py"
LOCAL: tuple[str, ...] = ()
FILES = ("--to", "folder")


def main() -> int:
    """Kill and resume; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--victims", nargs="+", choices=VICTIMS, default=VICTIMS)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rng, rows = random.Random(args.seed), []
    with tempfile.TemporaryDirectory(prefix="jaxanon-kills-") as name:
        folder = Path(name)
        shards = [write_shard(folder / f"s{i}.tar", i, 12, 64) for i in range(8)]
        begin = time.perf_counter()
        start(shards, folder / "whole", LOCAL).wait()
        usual = time.perf_counter() - begin
        start(shards, folder / "files", FILES).wait()
        whole = {LOCAL: digests(folder / "whole"), FILES: digests(folder / "files")}
        for run in range(args.runs):
            victim, out = args.victims[run % len(args.victims)], folder / f"run{run}"
            form, times = rng.choice((LOCAL, FILES)), rng.choice((1, 2))
            while not (killed := kill_once(shards, out, victim, form, rng.random() * usual)):
                shutil.rmtree(out)  # it ended before its moment came
            if times == 2:
                killed += kill_once(shards, out, victim, form, rng.random() * usual)
            workers = rng.choice((1, 2))
            more = ("--engine", "ray", "--workers", str(workers)) if workers == 2 else LOCAL
            status = start(shards, out, (*form, *more)).wait()
            check = subprocess.run([sys.executable, CHECK, out], capture_output=True, text=True)
            same = digests(out) == whole[form]
            row = {
                "victim": victim, "files": form == FILES, "killed": killed,
                "resumed_by": workers, "status": status,
                "same_bytes": same, "check": check.stdout.splitlines()[-1],
                "right": same and status == 0 and check.returncode == 0,
            }  # fmt: skip
            rows.append(row)
            print(run, row, flush=True)
    wrong = sum(not row["right"] for row in rows)
    kills = sum(int(str(row["killed"])) for row in rows)
    print(f"{len(rows)} runs, {kills} of them or their workers killed, {wrong} came out wrong")
    if args.json:
        args.json.write_text(json.dumps({"seed": args.seed, "rows": rows}, indent=1) + "\n")
    return 1 if wrong else 0


def start(
    shards: Sequence[Path], out: Path, more: Sequence[str], before: str = ""
) -> subprocess.Popen[bytes]:
    """A run in a process group of its own; something may be done in the process before."""
    words = ["anonymize", *map(str, shards), "-o", str(out), "--resume", "--quiet"]
    words += ["--preset", "fast"]
    words += ["--sources", "tf_efficientnet_lite0", *more]
    return subprocess.Popen(
        [sys.executable, "-c", before + PROGRAM, *words],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )


def kill_once(
    shards: Sequence[Path], out: Path, victim: str, form: Sequence[str], after: float
) -> int:
    """Start a run and kill its victim after some seconds; how many processes were killed."""
    if victim in ("local", "share"):
        parts = [LOCAL] if victim == "local" else [("--shard", f"{i}/2") for i in (1, 2)]
        runs = [start(shards, out, (*form, *part)) for part in parts]
        time.sleep(after)
        running = runs[0].poll() is None
        runs[0].kill()
        for run in runs:
            run.wait()
        return int(running)
    if victim == "node":
        return kill_node(shards, out, form, after)
    run = start(shards, out, (*form, "--engine", "ray", "--workers", "2"))
    wait_for_workers(run, run.pid)
    time.sleep(after)
    actors = workers_below(run.pid)
    running = run.poll() is None
    if victim == "worker" and actors:
        os.kill(actors[0], signal.SIGKILL)
        run.wait()
        return 1
    run.kill()
    run.wait()
    return int(running)


def kill_node(shards: Sequence[Path], out: Path, form: Sequence[str], after: float) -> int:
    """Start a run on two nodes and kill one with its workers; the run goes on to its end."""
    pipe = subprocess.PIPE
    nodes = subprocess.Popen([sys.executable, NODES], stdin=pipe, stdout=pipe, text=True)
    assert nodes.stdout is not None
    found = json.loads(nodes.stdout.readline())
    more = (*form, "--engine", "ray", "--workers", "2", "--address", found["address"])
    run = start(shards, out, more, before=f"{LOOPBACK}; ")
    wait_for_workers(run, found["raylets"][0])
    time.sleep(after)
    running = run.poll() is None
    for pid in (found["raylets"][0], *descendants(found["raylets"][0])):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        run.wait(180)
    except subprocess.TimeoutExpired:
        run.kill()
        print("the run did not go on without its node", flush=True)
    nodes.communicate()
    return int(running)


def wait_for_workers(run: subprocess.Popen[bytes], pid: int) -> None:
    """Wait until workers of Ray come from a process, or the run ends; Ray's own start varies."""
    while run.poll() is None and not workers_below(pid):
        time.sleep(0.2)


def workers_below(pid: int) -> list[int]:
    """Ray's workers that come from a process."""
    return [one for one in descendants(pid) if "MapWorker" in command(one)]


def descendants(pid: int) -> list[int]:
    """All processes that come from one."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in children.read_text().split()] if children.exists() else []
    return found + [one for child in found for one in descendants(child)]


def command(pid: int) -> str:
    """What a process was started as, or calls itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def digests(folder: Path) -> dict[str, str]:
    """Name -> digest of all that a run made and must make again: shards, files and records."""
    paths = [*folder.rglob("*.tar"), *folder.rglob("*.png"), *folder.rglob("*.jsonl")]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


if __name__ == "__main__":
    sys.exit(main())
