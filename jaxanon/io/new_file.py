"""Files that are being written and get their names once they are whole: what all of them share."""

from __future__ import annotations

import hashlib
import io
from abc import abstractmethod
from typing import IO, TYPE_CHECKING, Any

from jaxanon.errors import ImageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


class NewFile(io.RawIOBase):
    """A file that is being written; counts and digests its bytes.

    Args:
        name: what error messages call it.
        file: where its bytes go until it has its name.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, name: str, file: IO[Any]) -> None:
        self.name, self._file = name, file
        self.size, self._sum = 0, hashlib.sha256()

    @abstractmethod
    def commit(self, *, first: bool = False) -> bool:
        """Give the file its name, in place of what had it; whether it was given.

        Args:
            first: whether to leave a file of that name as it is.

        Raises:
            ImageError: when it cannot be had.
        """

    def discard(self) -> None:
        """Give up what was written, unless it has its name."""
        self._file.close()

    @property
    def digest(self) -> str:
        """SHA-256 of what has been written, in hexadecimal digits."""
        return self._sum.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        """Append bytes; returns how many.

        Raises:
            ImageError: when they cannot be written.
        """
        view = memoryview(data).cast("B")
        if self._file.closed:
            return view.nbytes  # of what was discarded, by a library that cleans up
        try:
            self._file.write(view)
        except OSError as error:
            raise self.error(error) from error
        self._sum.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Number of bytes so far."""
        return self.size

    def error(self, error: OSError) -> ImageError:
        """What to say of a file that cannot be written."""
        return ImageError(f"{self.name}: cannot be written: {error.strerror or error}")
