"""Work of the host beside the device: a bounded number of threads, results bounded in memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

PIXELS_AT_ONCE = 64_000_000
"""Full-resolution pixels, of all images together, that a command holds in the host's memory."""
MOST_THREADS = 64
"""Of a pool: beyond, threads wait for Python's lock more than they work."""
T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pool() -> ThreadPoolExecutor:
    """A pool of threads, one per core, for decoding, resizing and encoding images.

    That work runs outside of Python's lock.
    """
    return ThreadPoolExecutor(min(cores(), MOST_THREADS), thread_name_prefix="jaxanon-host")


@contextmanager
def one_core_each() -> Iterator[None]:
    """Products of matrices take one core while the threads of a pool take one each.

    Otherwise numpy's BLAS would give each product all cores, one product after the other.
    """
    with threadpool_limits(1, "blas"):
        yield


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
        function: what is computed of each item, in the threads.
        items: the items; one is taken from the iterator only when there is room for its result.
        threads: the pool that runs `function`.
        most: largest number of results ahead, done or not.
        cost: the cost of an item's result, such as its pixels.
        budget: largest total cost of the results ahead, done or not; an item that costs more is
            computed alone.
    """
    pending: deque[tuple[Future[R], int]] = deque()
    priced = ((item, cost(item)) for item in items)
    upcoming = next(priced, None)
    try:
        while pending or upcoming:
            while upcoming and len(pending) < most:
                item, price = upcoming
                spent = sum(paid for _, paid in pending)
                if spent and spent + price > budget:
                    break
                pending.append((threads.submit(function, item), price))
                upcoming = next(priced, None)
            yield pending.popleft()[0].result()
    finally:
        for future, _ in pending:
            future.cancel()
