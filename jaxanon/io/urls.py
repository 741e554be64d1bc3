"""Places that are no files here: what the command line gives as `s3://bucket/folder`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from urllib.request import url2pathname


@dataclass(frozen=True)
class Url:
    """A place on an object store or a server; joined and taken apart like a path.

    Attributes:
        text: the whole URL, without a slash at its end.
    """

    text: str

    def __str__(self) -> str:
        return self.text

    def __truediv__(self, below: str | PurePosixPath) -> Url:
        return Url(f"{self.text}/{below}")

    @property
    def name(self) -> str:
        """What follows the last slash."""
        return self.text.partition("?")[0].rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """What its name ends in from the last dot on, with the dot."""
        return PurePosixPath(self.name).suffix

    def absolute(self) -> Url:
        """Itself: it means the same from everywhere."""
        return self


Place = Path | Url
"""Where a file or folder lies."""


def place(text: str) -> Place:
    """A path or URL as it is given; `file://` is a path.

    Raises:
        ValueError: for a URL that names nothing.
    """
    if not re.match("[a-z][a-z0-9+.-]+://", text):
        return Path(text)
    if text.startswith("file://"):
        return Path(url2pathname(urlsplit(text).path))
    url = Url(text.rstrip("/"))
    if url.text.endswith(":"):
        raise ValueError(f"{text} names nothing; give a bucket or server, and what is there")
    return url
