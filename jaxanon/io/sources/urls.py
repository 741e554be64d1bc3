"""Pictures below a URL for a listing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from jaxanon.errors import UsageError
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
    for folder, folders, files in fs.walk(root, detail=True):
        folders_in_order = sorted(folders)
        for name in sorted(files):
            path = PurePosixPath(f"{folder}/{name}".removeprefix(root).lstrip("/"))
            if not is_no_picture(path) and not name.startswith("."):
                yield _entry(url / path, path, files[name])
        if isinstance(folders, dict):  # walked in this order
            for name in folders_in_order:
                folders[name] = folders.pop(name)


def _entry(url: Url, relative: PurePosixPath, info: dict[str, object]) -> ListEntry:
    name = relative.with_suffix("").as_posix()
    return ListEntry(str(url), str(url), name, relative.suffix, state=state_in(info))
