"""A result in memory until it is verified, for places where nothing lies beside the result."""

from __future__ import annotations

import io
from typing import BinaryIO


class MemoryPart:
    """The part of a `ResultPlace` that keeps what is not verified yet, in memory.

    Attributes:
        overwrite: nothing is ever there that could be replaced.
    """

    overwrite = False

    def __init__(self) -> None:
        self.part = b""

    def exists(self) -> bool:
        return False

    def write_part(self, data: bytes) -> None:
        self.part = data

    def open_part(self) -> BinaryIO:
        return io.BytesIO(self.part)

    def discard_part(self) -> None:
        self.part = b""
