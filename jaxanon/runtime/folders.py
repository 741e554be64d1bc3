"""Where the user's files of jaxanon lie."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def user_cache() -> Path:
    """The cache folder of jaxanon, absolute; it need not exist.

    `JAXANON_CACHE` where that is set, else `jaxanon` in the platform's place for caches: on Linux
    under `XDG_CACHE_HOME` or `~/.cache`.
    """
    chosen = os.environ.get("JAXANON_CACHE")
    folder = Path(chosen) if chosen else user_cache_path("jaxanon", appauthor=False)
    return folder.expanduser().absolute()
