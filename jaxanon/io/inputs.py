"""Where the images of a run come from: what every kind of input can do, and the table of kinds.

A further kind (an archive, a table) is one module of `jaxanon.io.kinds`, with a class for an image
and one for all of them under the decorator `register_inputs`. Nothing outside `jaxanon.io` asks
where an image lies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import BinaryIO, Protocol, TypeVar


class InputImage(Protocol):
    """One image of the inputs, not yet read.

    Attributes:
        name: what reports, error messages and the journal call it; unique among the inputs.
        relative: place of the image below what was given, with its suffix. The output gets its name
            from this, and boxes, masks and partners are found by it.
    """

    @property
    def name(self) -> str: ...

    @property
    def relative(self) -> PurePath: ...

    def open(self) -> BinaryIO:
        """The encoded image as a stream that can be rewound, to be closed by the caller.

        Raises:
            OSError: when it cannot be read.
            ImageError: when it is no image file at all, such as a folder.
        """
        ...

    def fingerprint(self) -> str:
        """A text that changes whenever the encoded image may have changed."""
        ...


class Inputs(Protocol):
    """Where images come from; may be iterated more than once, in bounded memory.

    Attributes:
        name: what error messages call it.
        length: number of images, where that is known without reading them; else None.
    """

    @property
    def name(self) -> str: ...

    @property
    def length(self) -> int | None: ...

    def __iter__(self) -> Iterator[InputImage]: ...


OpenInputs = Callable[[Path], Inputs]
Kind = TypeVar("Kind", bound=OpenInputs)

INPUT_KINDS: dict[str, OpenInputs] = {}
"""Suffix of a file that holds many images, such as `.tar` -> what opens it."""


def register_inputs(*suffixes: str) -> Callable[[Kind], Kind]:
    """Decorator that enters a kind of input into `INPUT_KINDS`.

    Args:
        suffixes: of the files that it opens, lower case, with their dots.
    """

    def register(kind: Kind) -> Kind:
        INPUT_KINDS.update(dict.fromkeys(suffixes, kind))
        return kind

    return register
