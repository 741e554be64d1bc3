"""Turns: so many threads at once, or one alone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager


class Turns:
    """Lets threads in, so many at once, in the order in which they ask.

    Args:
        most: how many may be inside at once.

    Attributes:
        closed: whether `close` was called.
    """

    def __init__(self, most: int) -> None:
        self._most, self._inside, self.closed = most, 0, False
        self._asking: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def take(self, *, alone: bool = False) -> Iterator[None]:
        """Wait for a turn, and have it while the context lasts.

        Args:
            alone: whether nobody else may be inside meanwhile.

        Raises:
            CancelledError: when no further turns are given.
        """
        places, me = self._most if alone else 1, object()
        with self._changed:
            self._asking.append(me)
            self._changed.wait_for(
                lambda: (
                    self.closed or (self._asking[0] is me and self._inside + places <= self._most)
                )
            )
            self._asking.remove(me)
            self._changed.notify_all()
            if self.closed:
                raise CancelledError
            self._inside += places
        try:
            yield
        finally:
            with self._changed:
                self._inside -= places
                self._changed.notify_all()

    def close(self) -> None:
        """Give no further turns, not even to those who wait for one."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
