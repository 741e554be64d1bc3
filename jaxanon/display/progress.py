"""A progress bar with images per second and time left; silent when nobody watches."""

from __future__ import annotations

import sys
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task
from rich.progress import Progress as Bar
from rich.table import Column
from rich.text import Text

from jaxanon.errors import printable

REFRESHES = 4
"""Times per second that the bar is drawn anew."""


class _Pace(ProgressColumn):
    """Images per second since the start, and the time left at this pace.

    Means since the start: images are finished in bursts, which mislead rich's own estimate.
    """

    def render(self, task: Task) -> Text:
        if not (task.completed and task.elapsed and task.total):
            return Text()
        pace = task.completed / task.elapsed
        left = timedelta(seconds=round((task.total - task.completed) / pace))
        return Text(f"{pace:.2f} images/s  {left} left")


class Progress:
    """Counts images on a bar at the foot of the terminal; any thread may call.

    Nothing is drawn where standard error is neither a terminal nor a notebook.

    Args:
        total: images to come.
        quiet: draw nothing; errors are printed all the same.
    """

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True)
        watched = self._console.is_jupyter or (sys.stderr.isatty() and self._console.is_interactive)
        one_line = Column(no_wrap=True)
        self._bar = Bar(
            BarColumn(bar_width=24),
            MofNCompleteColumn(table_column=one_line),
            _Pace(table_column=one_line),
            console=self._console,
            refresh_per_second=REFRESHES,
            transient=True,
            redirect_stdout=False,  # what goes to standard output may be read by a program
            disable=quiet or not watched,
        )
        self._task = self._bar.add_task("", total=total)
        self._bar.start()

    def advance(self, images: int = 1) -> None:
        """Count images more as finished."""
        self._bar.advance(self._task, images)

    def error(self, text: str) -> None:
        """Print that an image failed, above the bar."""
        line = Text(f"error: {printable(text)}")  # not rich's markup: file names have brackets
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """Take the bar away."""
        if not self._bar.disable:
            self._bar.stop()
