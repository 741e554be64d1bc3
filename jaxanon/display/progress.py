"""A progress line with images per second and time left; silent when nobody watches."""

from __future__ import annotations

import sys
import time

from jaxanon.errors import printable

WIDTH = 24


class Progress:
    """Counts images on one line of the terminal.

    Args:
        total: images to come.
        quiet: say nothing, not even errors as they happen.
    """

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self.total, self.done, self.quiet = total, 0, quiet
        self.shown = sys.stderr.isatty() and not quiet
        self.start = time.perf_counter()
        self._draw()

    def advance(self) -> None:
        """One image more is finished."""
        self.done += 1
        self._draw()

    def error(self, text: str) -> None:
        """Say that an image failed, above the progress line."""
        if not self.quiet:
            self._clear()
            print(f"error: {printable(text)}", file=sys.stderr)

    def close(self) -> None:
        """Take the line away."""
        self._clear()

    def _clear(self) -> None:
        if self.shown:
            print("\r\x1b[K", end="", file=sys.stderr)

    def _draw(self) -> None:
        if not self.shown:
            return
        seconds = time.perf_counter() - self.start
        filled = WIDTH * self.done // max(self.total, 1)
        text = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {self.done}/{self.total}"
        if self.done:
            rate = self.done / seconds
            text += f"  {rate:.2f} images/s  {_clock((self.total - self.done) / rate)} left"
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
