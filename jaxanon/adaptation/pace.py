"""Whether the loop's flags are better read late or at once, from the first chunks of a run."""

from __future__ import annotations

from statistics import median

CHUNKS = 16
"""Least number of chunks to judge by."""


class Pace:
    """Weighs what late flags cost against what flags read at once would.

    Read one chunk late, the device never waits for the host, but each image is in one chunk more
    than it needs. Read at once, the device waits in each chunk while the host takes images out,
    puts others in and hands over the next chunk: its turn.

    Args:
        images: finished images to judge by, at least.
    """

    def __init__(self, images: int) -> None:
        self._images, self._finished, self._held = images, 0, 0
        self._turns: list[float] = []
        self._cycles: list[float] = []
        self._last: float | None = None

    def read(self, begin: float, end: float, held: int, finished: int) -> None:
        """Note that flags were read.

        Args:
            begin: when the host began to wait for them, in seconds.
            end: when they were there.
            held: images that were in the chunk.
            finished: images that are done by these flags.
        """
        self._held += held
        self._finished += finished
        if self._last is not None:
            self._turns.append(begin - self._last)
            self._cycles.append(end - self._last)
        self._last = end

    @property
    def known(self) -> bool:
        """Whether enough has been seen to judge."""
        return len(self._cycles) >= CHUNKS and self._finished >= self._images

    @property
    def at_once(self) -> bool:
        """Whether flags read at once cost the device less than late ones."""
        turn, cycle = median(self._turns), median(self._cycles)
        return turn / (cycle + turn) < self._finished / self._held
