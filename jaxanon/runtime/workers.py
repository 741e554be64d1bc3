"""Work of the host beside the device: a bounded number of threads, a bounded number ahead."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

PIXELS_AT_ONCE = 64_000_000
"""Full-resolution pixels, of all images together, that a command holds in the host's memory."""
T = TypeVar("T")
R = TypeVar("R")


def pool() -> ThreadPoolExecutor:
    """Threads for decoding, resizing and encoding, which run outside of Python's lock."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return ThreadPoolExecutor(max_workers=min(cores or 1, 16), thread_name_prefix="jaxanon-host")


def ahead(
    function: Callable[[T], R],
    items: Iterable[T],
    threads: ThreadPoolExecutor,
    most: int,
    cost: Callable[[T], int],
    budget: int,
) -> Iterator[R]:
    """Results of `function`, in the order of the items, computed ahead of their use.

    Args:
        function: run in the threads.
        items: drawn as there is room.
        threads: where it runs.
        most: results ahead, at most.
        cost: of working on an item, in any unit.
        budget: what the results ahead may cost together, done or not; a dearer one stands alone.
    """
    under_way: deque[tuple[Future[R], int]] = deque()
    coming = ((item, cost(item)) for item in items)
    upcoming = next(coming, None)
    try:
        while under_way or upcoming:
            while upcoming and len(under_way) < most:
                item, price = upcoming
                spent = sum(paid for _, paid in under_way)
                if spent and spent + price > budget:
                    break
                under_way.append((threads.submit(function, item), price))
                upcoming = next(coming, None)
            yield under_way.popleft()[0].result()
    finally:
        for future, _ in under_way:
            future.cancel()
