"""Where runs over shards keep what they make, by its path or URL."""

from __future__ import annotations

from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.io.stores.object_store import ObjectStore
from jaxanon.io.stores.store import Store
from jaxanon.io.urls import Place, Url


def open_store(place: Place) -> Store:
    """The store at a path or URL.

    Raises:
        UsageError: when a package is missing for URLs of that kind.
    """
    return ObjectStore(place) if isinstance(place, Url) else FolderStore(place)
