"""Pictures of files and folders for a listing: found one after the other, none kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jaxanon.errors import UsageError
from jaxanon.io.kinds.folders import files_below, is_no_picture
from jaxanon.io.listing.entry import ListEntry


def entries_in(given: Path) -> Iterator[ListEntry]:
    """A picture, or those below a folder, in the order of their names in each folder.

    Raises:
        UsageError: when it is not there.
    """
    if given.is_dir():
        for path in files_below(given, set()):
            if not is_no_picture(path):
                yield entry_of(path, path.relative_to(given))
    elif given.is_file():
        yield entry_of(given, Path(given.name))
    else:
        raise UsageError(f"{given}: no such file or folder")


def entry_of(path: Path, relative: Path) -> ListEntry:
    """The entry of a picture.

    Args:
        path: where it is.
        relative: its place below what was given.
    """
    name = relative.with_suffix("").as_posix()
    return ListEntry(str(path.absolute()), str(path), name, relative.suffix)
