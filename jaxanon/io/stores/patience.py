"""Servers that go away and come back: asked again, with growing pauses, and named at last."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.urls import Url

log = logging.getLogger("jaxanon")
T = TypeVar("T")
P = ParamSpec("P")

PATIENCE = 300.0
"""Seconds for which a server that does not answer is asked again."""
LONGEST_PAUSE = 30.0
"""Seconds between two of the last questions."""
FINAL = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)
"""Answers, rather than failures to answer."""
REFUSALS = (PermissionError, NotImplementedError, ValueError, TypeError, ImportError)
"""What asking again does not change."""
_HURRY = threading.Event()
"""Set while nobody waits for servers."""


def file_system(url: Url) -> Any:
    """What fsspec reads and writes a URL by.

    Raises:
        UsageError: when fsspec does not know such URLs, or a package is missing.
    """
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(f"{url} needs the extra datasets: pip install 'jaxanon[datasets]'") from (
            error
        )
    try:
        return fsspec.core.url_to_fs(str(url))[0]
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url}: cannot be used: {error}") from error


def state_in(info: Mapping[str, Any]) -> str:
    """A text of what a server says of a file, which changes when the file does.

    Args:
        info: as fsspec has it, from any kind of server.
    """
    known = ["size", "ETag", "etag", "md5Hash", "Content-MD5", "mtime", "updated"]
    known += ["LastModified", "Last-Modified", "blob_id"]
    return "-".join(str(info[name]) for name in known if info.get(name) is not None)


@contextmanager
def in_a_hurry() -> Iterator[None]:
    """While what has been cut off is tidied up: servers are asked once, by all threads."""
    _HURRY.set()
    try:
        yield
    finally:
        _HURRY.clear()


def patiently(url: Url, ask: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Ask a server, again where it does not answer.

    Args:
        url: for messages.
        ask: what to call.
        args: its arguments.
        named: those with names.

    Raises:
        OSError: of `FINAL`, as answered.
        ImageError: when it refuses, or has not answered for `PATIENCE` seconds.
    """
    import tenacity

    def tell(state: tenacity.RetryCallState) -> None:
        pause = state.next_action.sleep if state.next_action else 0.0
        error = state.outcome.exception() if state.outcome else None
        log.warning("%s: %s; asked again in %.0f s", url, _said(error), pause)

    asking = tenacity.Retrying(
        retry=tenacity.retry_if_exception(_may_pass),
        wait=tenacity.wait_exponential_jitter(initial=1, max=LONGEST_PAUSE),
        stop=tenacity.stop_any(
            tenacity.stop_after_delay(PATIENCE), tenacity.stop_when_event_set(_HURRY)
        ),
        sleep=tenacity.sleep_using_event(_HURRY),
        before_sleep=tell,
        reraise=True,
    )
    try:
        return asking(ask, *args, **named)
    except FINAL:
        raise
    except Exception as error:
        raise ImageError(f"{url}: {_said(error)}") from error


def _may_pass(error: BaseException) -> bool:
    """Whether what went wrong may be otherwise when it is asked again."""
    if not isinstance(error, Exception) or isinstance(error, (*FINAL, *REFUSALS)):
        return False  # also where the user ends the run
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return False  # of a disk here
    status = getattr(error, "status", None)  # of a server that speaks HTTP
    refused = isinstance(status, int) and 400 <= status < 500
    return not refused or status in (408, 429)  # too slow, too often


def _said(error: BaseException | None) -> str:
    """What an error says, in one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
