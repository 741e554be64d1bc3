"""Whether a file or folder is still what it was when a run read it."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path


def fingerprint(path: Path) -> str:
    """What tells whether a file, or anything in a folder, has been changed: sizes and times.

    Returns:
        16 hexadecimal digits; what is missing or locked counts as nothing.
    """
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        with suppress(OSError):  # what is gone or locked shows up when it is read
            state = file.stat()
            digest.update(f"{file}|{state.st_size}|{state.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()[:16]
