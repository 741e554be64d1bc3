"""The flags that say which part of a run over shards a process does."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError


def add_shard_flags(command: ArgumentParser) -> None:
    """Add what says which of the shards this process adapts."""
    command.add_argument(
        "--shard",
        type=share,
        metavar="I/N",
        help="where the inputs are shards (.tar): adapt every N-th of them, from the I-th on, as "
        "one of N processes, such as the tasks of a Slurm array (1/N to N/N; default: all)",
    )


def share(text: str) -> tuple[int, int]:
    """Number of this process, from 1, and of all, as in `3/8`."""
    found = re.fullmatch("([0-9]+)/([0-9]+)", text)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise ArgumentTypeError(f"{text}: give I/N with I from 1 to N, such as 3/8")
    return number, count
