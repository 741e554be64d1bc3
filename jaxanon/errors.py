"""The errors that jaxanon raises on purpose. Each message names the cause and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class JaxanonError(Exception):
    """Base of all errors raised on purpose."""


class UsageError(JaxanonError, ValueError):
    """An argument or option that cannot work; raised before any work begins."""


class ImageError(JaxanonError, ValueError):
    """One image (or its region) that cannot be read, processed or written."""


class DeviceMemoryError(JaxanonError, MemoryError):
    """The device's memory does not hold what was asked for, not even for one image at a time."""


class WeightsError(JaxanonError, ValueError):
    """Classifier weights that are missing, unreadable, unsafe, or of another architecture."""


@contextmanager
def errors_named(name: str) -> Iterator[None]:
    """Put the name of an image in front of the errors that are raised for it."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error


def printable(text: str) -> str:
    """`text` on one line, without what would command a terminal: file names may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


FEW = 32
"""Names up to which an error lists them all."""


def unknown(what: str, value: str, known: Iterable[str]) -> str:
    """Text for a value that is not among `known`: its near matches, and all where they are few."""
    known = sorted(known)
    near = difflib.get_close_matches(value, known, n=4, cutoff=0.5)
    hints = ["near matches: " + ", ".join(near)] if near else []
    if len(known) <= FEW:
        hints.append("choose from " + ", ".join(known))
    elif not near:
        hints.append(f"{len(known)} are known")
    return f"unknown {what} {value!r}; {'; '.join(hints)}"
