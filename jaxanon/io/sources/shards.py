"""Which shards a folder holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import PurePath

from jaxanon.errors import UsageError
from jaxanon.io.fetching import files_below, local_file
from jaxanon.io.kinds.folders import is_no_picture
from jaxanon.io.shard_kinds import is_shard
from jaxanon.io.urls import Place, Url

STATE = "state.json"
"""What `save_to_disk` of Hugging Face's package says of a folder: which files are the data."""


def shards_in(folder: Place) -> Sequence[Place]:
    """The shards right in a folder; none where it is no folder, or has none.

    Of a folder that `save_to_disk` wrote, those that are the data: others there are a cache.

    Raises:
        UsageError: where it has pictures, too, or says of its files what cannot be read.
        ImageError: when a server does not answer.
    """
    if isinstance(folder, Url):
        inner: Iterable[Place] = [] if is_shard(folder) else files_below(folder)
    elif folder.is_dir():
        inner = (path for path in folder.iterdir() if not path.name.startswith("."))
    else:
        inner = []
    found, picture, state = list[Place](), None, None
    for place in inner:
        if is_shard(place):
            found.append(place)
        elif place.name == STATE:
            state = place
        elif picture is None and (isinstance(place, Url) or place.is_file()):
            picture = None if is_no_picture(PurePath(place.name)) else place
    if found and picture:
        raise UsageError(
            f"{folder} holds shards ({min(place.name for place in found)}) and pictures "
            f"({picture.name}); give either"
        )
    if state and any(place.suffix == ".arrow" for place in found):
        data = _data_files(state)
        if lost := data - {place.name for place in found}:
            raise UsageError(f"{state}: names {min(lost)}, which is not there")
        found = [place for place in found if place.name in data]
    return sorted(found, key=lambda place: place.name)


def _data_files(state: Place) -> set[str]:
    """Names of the files that are the data, as `state.json` says."""
    try:
        with local_file(state) as path:
            return {str(each["filename"]) for each in json.loads(path.read_text())["_data_files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{state}: does not say which files are the data ({error!r}); give them by themselves"
        ) from error
