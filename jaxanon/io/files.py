"""Files as such: what tells that one has changed, writing whole or not at all, distinct names."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from jaxanon.errors import ImageError, UsageError, unknown

SUFFIX = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
"""Format of the saved images -> suffix of their names."""


def fingerprint(path: Path) -> str:
    """A text that changes with the sizes and times of a file, or of all files below a folder."""
    below = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in below:
        with suppress(OSError):  # what is gone or locked shows up when it is read
            state = file.stat()
            digest.update(f"{file}|{state.st_size}|{state.st_mtime_ns}\n".encode(errors="replace"))
    return digest.hexdigest()[:16]


def real_path(path: Path | str) -> Path:
    """Where a path leads, whatever links are on the way; those in a circle are left as they are.

    `Path.resolve` raises an error for such before Python 3.13.
    """
    return Path(os.path.realpath(path))


def size_and_time(path: Path) -> str:
    """A text that changes with a file's size and time, wherever it lies."""
    state = path.stat()
    return f"{state.st_size}-{state.st_mtime_ns}"


def short_name(path: Path) -> str:
    """A short text for a file's name, which may be as long as names can be."""
    return hashlib.sha256(path.name.encode(errors="surrogateescape")).hexdigest()[:16]


def part_of(path: Path) -> Path:
    """Where a file lies while it is being written and verified: hidden, beside its final place."""
    return path.with_name(f".{short_name(path)}.part")


def write_part(path: Path, data: bytes) -> Path:
    """Write `data` beside `path`, not yet under its name; returns the place.

    Raises:
        ImageError: when the folder or file cannot be written.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
    except OSError as error:
        discard(part)
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
    return part


def commit(path: Path, *, overwrite: bool) -> None:
    """Give a written part its name, at once and whole.

    Raises:
        ImageError: when something else has the name and may not be replaced, or the system refuses.
    """
    part = part_of(path)
    try:
        if path.exists() and not overwrite:
            raise ImageError(f"{path}: exists; not overwritten (give --overwrite)")
        part.replace(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        discard(part)


def discard(path: Path) -> None:
    """Remove a file, if it is there and the system lets us."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def write(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write a file whole or not at all.

    Raises:
        ImageError: when it cannot be written, or exists and may not be replaced.
    """
    write_part(path, data)
    commit(path, overwrite=overwrite)


def write_json(path: Path, data: Mapping[str, object]) -> None:
    """Write a JSON file whole or not at all.

    Raises:
        ImageError: when it cannot be written.
    """
    write(path, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())


def output_names(inputs: Sequence[PurePath], form: str) -> list[PurePath]:
    """For each input's relative path that of its output, all distinct, also where case is ignored.

    The suffix becomes the format's. Where two inputs would meet (`a.png`, `a.jpg`), each keeps
    its old suffix before the new one (`a.png.png`, `a.jpg.png`); where that does not help either,
    the later ones are numbered.

    Args:
        inputs: relative paths of the inputs.
        form: `png`, `jpeg` or `webp`.

    Raises:
        UsageError: for an unknown format.
    """
    if form not in SUFFIX:
        raise UsageError(unknown("format", form, SUFFIX))
    suffix = SUFFIX[form]
    plain = [path.with_suffix(suffix) for path in inputs]
    count = Counter(map(_fold, plain))
    taken = {name for name, times in count.items() if times == 1}
    names: list[PurePath] = []
    for given, path in zip(inputs, plain, strict=True):
        if count[_fold(path)] > 1:
            number = 1
            path = given.with_name(given.name + suffix)
            while _fold(path) in taken:
                number += 1
                path = given.with_name(f"{given.name}-{number}{suffix}")
            taken.add(_fold(path))
        names.append(path)
    return names


def _fold(path: PurePath) -> str:
    return path.as_posix().casefold()
