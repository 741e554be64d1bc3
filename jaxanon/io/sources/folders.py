"""Pictures of files and folders for a listing: found one after the other, none kept."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from jaxanon.errors import UsageError
from jaxanon.io.files import real_path
from jaxanon.io.kinds.folders import LeftOut, is_no_picture
from jaxanon.io.listing.entry import ListEntry
from jaxanon.io.listing.sorting import sorted_lines

log = logging.getLogger("jaxanon")


def entries_in(given: Path) -> Iterator[ListEntry]:
    """A picture, or those below a folder, in the order of their names in each folder.

    Raises:
        UsageError: when it is not there, or cannot be listed.
    """
    if given.is_dir():
        others = LeftOut()
        for path in _files_below(given, set()):
            if path == given:
                raise UsageError(f"{given}: the folder cannot be listed; may it be read?")
            if is_no_picture(path):
                others.add(path)
            else:
                yield entry_of(path, path.relative_to(given))
        if others:
            log.info("%s: %s", given, others)
    elif given.is_file():
        yield entry_of(given, Path(given.name))
    else:
        raise UsageError(f"{given}: no such file or folder")


def _files_below(folder: Path, above: set[Path]) -> Iterator[Path]:
    """All files below a folder that are not hidden, and the folders that cannot be listed.

    However many they are: what is in a folder is sorted on the disk.

    Args:
        folder: where to look, first its files by name, then its folders.
        above: the folders that led here, so that a link does not lead in a circle.
    """
    resolved = real_path(folder)
    if resolved in above:
        return
    try:
        for kind in ("file", "folder"):
            for line in sorted_lines(_names_in(folder, kind)):
                path = folder / json.loads(line)
                if kind == "file":
                    yield path
                else:
                    yield from _files_below(path, above | {resolved})
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # of the disk that names are sorted on
        yield folder


def _names_in(folder: Path, kind: str) -> Iterator[bytes]:
    """The names of the files, or of the folders, in a folder, as lines of JSON."""
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                is_folder = entry.is_dir()
            except OSError:  # a link in a circle: said when it is opened
                is_folder = False
            if entry.name.startswith(".") or is_folder != (kind == "folder"):
                continue
            if is_folder or entry.is_symlink() or entry.is_file():
                yield f"{json.dumps(entry.name)}\n".encode()


def entry_of(path: Path, relative: Path) -> ListEntry:
    """The entry of a picture.

    Args:
        path: where it is.
        relative: its place below what was given.
    """
    name = relative.with_suffix("").as_posix()
    return ListEntry(str(path.absolute()), str(path), name, relative.suffix)
