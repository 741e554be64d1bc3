import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from command_line import anonymize

from jaxanon.display.progress import Progress
from jaxanon.pipeline import stages as stages_module

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


@contextmanager
def terminal() -> Iterator[Callable[..., str]]:
    """Standard error is a terminal; calling what this gives returns what that has been sent."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "w") as stderr, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stderr", stderr)

        def shown(last: str = SHOW_CURSOR) -> str:
            """What comes until `last` is there; the terminal hands it on piece by piece."""
            stderr.flush()
            text, end = "", time.monotonic() + 10
            while last not in text and time.monotonic() < end:
                with suppress(BlockingIOError):
                    text += os.read(ours, 100_000).decode()
            return text

        yield shown
    os.close(ours)


def test_a_terminal_shows_the_count_and_errors_as_they_are():
    with terminal() as shown:
        progress = Progress(3)
        progress.advance()
        progress.error("a[red].png: no\nimage")
        progress.close()
        text = shown()
    assert "1/3" in text
    assert r"error: a[red].png: no\nimage" in text
    assert text.index(HIDE_CURSOR) < text.rindex(SHOW_CURSOR)


def test_an_interrupted_run_gives_the_terminal_its_cursor_back(
    zoo, photos_dir, tmp_path, monkeypatch
):
    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages_module, "stream", die)
    with terminal() as shown:
        assert anonymize(zoo, photos_dir, tmp_path / "out") == 130
        text = shown("interrupted")
    assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 1
    assert "interrupted" in text
