"""Files to read, wherever they lie: those of a server are copied here first."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxanon.io.files import size_and_time
from jaxanon.io.stores.patience import file_system, patiently, state_in
from jaxanon.io.urls import Place, Url


def state_of(place: Place) -> str:
    """A text that changes when a file does: with its size and time, or what a server says of it.

    Raises:
        OSError, ImageError: when it is not there, or the server does not answer.
    """
    if not isinstance(place, Url):
        return size_and_time(place)
    fs = file_system(place)
    fs.invalidate_cache()
    return state_in(patiently(place, fs.info, str(place)))


@contextmanager
def local_file(place: Place) -> Iterator[Path]:
    """A file of this machine with the bytes, and the last part of the name, of another.

    It is the same file where it lies here; else a copy, gone on the way out.

    Raises:
        OSError, ImageError: when it is not there, the server does not answer, or there is no room.
    """
    if not isinstance(place, Url):
        yield place
        return
    fs = file_system(place)
    with tempfile.TemporaryDirectory(prefix="jaxanon-") as folder:
        path = Path(folder) / place.name
        patiently(place, fs.get_file, str(place), str(path))
        yield path


def files_below(url: Url) -> list[Url]:
    """The files right below a URL that are not hidden; none where it is a file, or not there.

    Raises:
        ImageError: when the server does not answer.
    """
    fs = file_system(url)
    fs.invalidate_cache()
    try:
        found = patiently(url, fs.ls, str(url), detail=True)
    except (FileNotFoundError, NotADirectoryError):
        return []
    names = [str(info["name"]) for info in found if info["type"] == "file"]
    lasts = [name.rpartition("/")[2] for name in names if not name.endswith("/")]
    return [url / last for last in lasts if last != url.name and not last.startswith(".")]
