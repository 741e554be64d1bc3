"""Reading JSON files that come with data, as people have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LFS_POINTER = b"version https://git-lfs.github.com/"
"""How the file begins that Git leaves in the place of a large one which it has not fetched."""
NOT_FETCHED = (
    "a Git LFS pointer, not the file itself; fetch it where the repository was cloned: git lfs pull"
)
"""What is to be said of such a file."""


def is_pointer(path: Path) -> bool:
    """Whether a file is a pointer of Git LFS; raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def read_json(path: Path) -> Any:
    """What a JSON file holds, with a byte order mark or without.

    Raises:
        OSError: when it cannot be read.
        ValueError: when it is no JSON, or a pointer of Git LFS.
        RecursionError: when it is nested too deeply.
    """
    if is_pointer(path):
        raise ValueError(NOT_FETCHED)
    return json.loads(path.read_text(encoding="utf-8-sig"))
