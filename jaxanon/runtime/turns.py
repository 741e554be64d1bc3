"""Turns: so many threads at once, or one alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets threads in, so many at once.

    Args:
        most: how many may be inside at once.
    """

    def __init__(self, most: int) -> None:
        self._most, self._free, self._asking = most, threading.Semaphore(most), threading.Lock()

    @contextmanager
    def take(self, *, alone: bool = False) -> Iterator[None]:
        """Wait for a turn, and have it while the context lasts.

        Args:
            alone: whether nobody else may be inside meanwhile.
        """
        places = self._most if alone else 1
        with self._asking:  # or two who want all places would wait for each other's
            for _ in range(places):
                self._free.acquire()
        try:
            yield
        finally:
            self._free.release(places)
