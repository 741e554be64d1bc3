"""One picture from standard input, and one to standard output: `-` on the command line."""

from __future__ import annotations

import hashlib
import io
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.memory_part import MemoryPart
from jaxanon.io.urls import Place, Url, place

STANDARD = Path("-")
"""What stands for standard input among the inputs, and for standard output as the output."""


def place_or_stream(text: str) -> Place:
    """A path or URL as it is given: `-` is `STANDARD`, and `./-` a file of that name."""
    path = place(text)
    return path.absolute() if path == STANDARD and text != "-" else path


def path_or_stream(text: str) -> Path:
    """The same where a URL cannot be used.

    Raises:
        ArgumentTypeError: for a URL.
    """
    path = place_or_stream(text)
    if isinstance(path, Url):
        raise ArgumentTypeError(f"{text}: URLs are for shards and jaxanon anonymize; copy it here")
    return path


@dataclass(frozen=True)
class StreamedImage:
    """The picture on standard input: an `InputImage`, and the only one of its `Inputs`.

    Attributes:
        data: the encoded picture.
    """

    data: bytes = field(repr=False)
    name: str = "standard input"
    length: int = 1

    @classmethod
    def read(cls) -> StreamedImage:
        """Read standard input to its end.

        Raises:
            UsageError: when it is a terminal, or closed.
        """
        if sys.stdin is None or sys.stdin.isatty():
            what = "closed" if sys.stdin is None else "a terminal"
            raise UsageError(
                f"- is standard input, here {what}; give it a picture: "
                "jaxanon anonymize - -o - < photo.jpg > adapted.png"
            )
        return cls(sys.stdin.buffer.read())

    @property
    def relative(self) -> PurePath:
        """By which its mask or boxes are found."""
        return PurePath("stdin")

    def open(self) -> BinaryIO:
        return io.BytesIO(self.data)

    def fingerprint(self) -> str:
        return hashlib.sha256(self.data).hexdigest()[:16]

    def __iter__(self) -> Iterator[StreamedImage]:
        yield self


class StandardOutput(MemoryPart):
    """Standard output as a `ResultSink` of one result, its own `ResultPlace`, and no journal.

    Nothing is written before the result is verified.

    Raises:
        UsageError: when standard output is a terminal, or closed.
    """

    name = location = identity = "standard output"

    def __init__(self) -> None:
        if sys.stdout is None or sys.stdout.isatty():
            what = "closed" if sys.stdout is None else "a terminal"
            raise UsageError(
                f"the output - is standard output, here {what}; send it to a file or a program"
            )
        super().__init__()

    def place(self, relative: PurePath, *, overwrite: bool = False) -> StandardOutput:
        return self

    def lines(self, name: str) -> NoLines:
        return NoLines()

    def open(self) -> BinaryIO:
        raise FileNotFoundError(self.location)

    def commit(self) -> None:
        try:
            sys.stdout.buffer.write(self.part)
            sys.stdout.buffer.flush()
        except OSError as error:
            raise ImageError(f"{self.location}: cannot be written: {error.strerror}") from error

    def discard(self) -> None: ...


class NoLines:
    """A `LineLog` that keeps nothing: what goes to a program is not resumed."""

    location = "standard output"

    def exists(self) -> bool:
        return False

    def read(self) -> list[str]:
        return []

    def begin(self, lines: Iterable[str]) -> None: ...

    def append(self, line: str) -> None: ...
