"""Sorting more lines than memory holds: by sorted runs on the disk, which are merged."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import IO

LINES = 100_000
"""Lines that are sorted in memory at once."""


def sorted_lines(lines: Iterable[bytes], at_once: int = LINES) -> Iterator[bytes]:
    r"""Lines in the order of their bytes.

    Args:
        lines: each with its end, `\n`.
        at_once: how many are held in memory.
    """
    left = iter(lines)
    with ExitStack() as files:
        runs: list[IO[bytes]] = []
        while run := sorted(islice(left, at_once)):
            file = files.enter_context(tempfile.TemporaryFile(prefix="jaxanon-"))
            file.writelines(run)
            file.seek(0)
            runs.append(file)
        yield from heapq.merge(*runs)
