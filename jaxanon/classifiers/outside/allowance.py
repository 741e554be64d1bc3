"""What may be asked of a service: how many questions at once, how often, how many."""

from __future__ import annotations

import time
from threading import Lock, Semaphore

from jaxanon.classifiers.outside.classifier import AnswerError


class Allowance:
    """When a question may be asked, and whether; any thread may ask.

    Args:
        rate: questions a second at most; None for as many as there are.
        budget: questions of this process at most; None for no end.
        at_once: questions that may wait for their answers.

    Attributes:
        room: to be held from a question until its answer, or until it is given up.
    """

    def __init__(self, rate: float | None, budget: int | None, at_once: int) -> None:
        self.room = Semaphore(at_once)
        self._gap = 1 / rate if rate else 0.0
        self._left, self._budget = budget, budget
        self._next, self._lock = 0.0, Lock()

    def take(self) -> None:
        """Wait for a turn.

        Raises:
            AnswerError: when the budget is spent.
        """
        with self._lock:
            if self._left is not None:
                if not self._left:
                    raise AnswerError(f"is asked no more: budget={self._budget} is spent")
                self._left -= 1
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._gap
        time.sleep(start - now)
