"""The flags that say where a run over shards is done, and which part of it by this process."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable


def add_shard_flags(command: ArgumentParser) -> None:
    """Add what concerns inputs that are shards."""
    group = command.add_argument_group(
        "runs over data sets",
        "where the inputs are shards (.tar, .parquet), lists of paths (.csv, .jsonl, .parquet) or "
        "URLs, and where one of these options is given",
    )
    add = group.add_argument
    add(
        "--to",
        choices=("folder", "tar", "parquet"),
        metavar="KIND",
        help="folder, tar or parquet: what to write (default: shards for shards, a folder else)",
    )
    add(
        "--drop",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out members called NAME after the key (such as seg.png or json) or columns "
        "called NAME, which may show what is private; repeat for more",
    )
    add(
        "--slice",
        type=count,
        metavar="N",
        help="pictures of folders and lists that are adapted and recorded together; memory does "
        "not grow with the number of all (default: 200)",
    )
    add(
        "--shard",
        type=share,
        metavar="I/N",
        help="adapt every N-th shard, from the I-th on, as one of N processes, such as the tasks "
        "of a Slurm array (1/N to N/N; default: all)",
    )
    _add_engine_flags(add)


def _add_engine_flags(add: Callable[..., object]) -> None:
    """Add what says which processes do the work.

    Args:
        add: adds an option to a parser, or to a group of one.
    """
    add(
        "--engine",
        choices=("local", "ray"),
        default="local",
        metavar="NAME",
        help="local: this process; ray: workers on a cluster, or of this machine (needs the extra "
        "cluster) (default: local)",
    )
    add(
        "--address",
        metavar="HOST:PORT",
        help="of the Ray cluster (default: RAY_ADDRESS, or one is started here)",
    )
    add("--workers", type=count, metavar="N", help="how many (default: as the cluster has room)")
    add(
        "--devices-per-worker",
        type=count,
        metavar="N",
        help="accelerators that each worker has for itself (default: 1)",
    )
    add(
        "--platform",
        choices=("cpu", "gpu", "tpu"),
        metavar="NAME",
        help="cpu, gpu or tpu: what workers must find (default: the best that the cluster has)",
    )


def share(text: str) -> tuple[int, int]:
    """Number of this process, from 1, and of all, as in `3/8`."""
    found = re.fullmatch("([0-9]+)/([0-9]+)", text)
    number, most = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= most:
        raise ArgumentTypeError(f"{text}: give I/N with I from 1 to N, such as 3/8")
    return number, most


def count(text: str) -> int:
    """A number that is at least 1."""
    if not re.fullmatch("[1-9][0-9]*", text):
        raise ArgumentTypeError(f"{text}: give a whole number, at least 1")
    return int(text)
