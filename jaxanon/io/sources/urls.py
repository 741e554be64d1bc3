"""Pictures below a URL for a listing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.kinds.folders import is_no_picture
from jaxanon.io.listing.entry import ListEntry
from jaxanon.io.stores.patience import file_system, patiently, state_in
from jaxanon.io.urls import Url


def entries_below(url: Url) -> Iterator[ListEntry]:
    """A picture at a URL, or those below it, folder by folder, by name.

    Raises:
        UsageError: when nothing is there.
        ImageError: when the server does not answer.
    """
    fs = file_system(url)
    fs.invalidate_cache()
    root = str(fs._strip_protocol(str(url)))
    try:
        top = patiently(url, fs.info, root)
    except FileNotFoundError as error:
        raise UsageError(f"{url}: no such file or folder") from error
    if top["type"] == "file":
        yield _entry(url, PurePosixPath(url.name), top)
        return
    yield from _below(fs, url, root, PurePosixPath())
    fs.invalidate_cache()  # which would hold all that was listed


def _below(fs: Any, url: Url, root: str, folder: PurePosixPath) -> Iterator[ListEntry]:
    """The pictures in a folder below a URL, then those of its folders; none that are hidden.

    A folder that cannot be listed is an entry that says so.
    """
    here, path = (url / folder, f"{root}/{folder}") if folder.name else (url, root)
    try:
        found = patiently(here, fs.ls, path, detail=True)
    except (ImageError, OSError) as error:
        yield ListEntry(str(here), str(here), folder.as_posix(), "", trouble=str(error))
        return
    inner = []
    for info in sorted(found, key=lambda info: str(info["name"])):
        name = str(info["name"])
        last = name.rstrip("/").rpartition("/")[2]
        if last.startswith(".") or name.rstrip("/") == path:
            continue  # hidden, or what marks the folder itself
        if info["type"] == "directory":
            inner.append(folder / last)
        elif not name.endswith("/") and not is_no_picture(PurePosixPath(last)):
            yield _entry(url / (folder / last), folder / last, info)
    for each in inner:
        yield from _below(fs, url, root, each)


def _entry(url: Url, relative: PurePosixPath, info: dict[str, object]) -> ListEntry:
    name = relative.with_suffix("").as_posix()
    return ListEntry(str(url), str(url), name, relative.suffix, state=state_in(info))
