"""Who has begun a shard: so that one over which workers die is not begun for ever."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from jaxanon.errors import ImageError
from jaxanon.io.stores.store import Store

ATTEMPTS = ".attempts"
"""Ends the name of the folder that has a file for each worker that has begun a shard."""
MOST_ATTEMPTS = 3
"""Times that a shard may be begun by workers that did not live to say what became of it."""


class Attempts:
    """The attempts at the shards of a run, by whatever process.

    Args:
        store: the output folder.
        folder: where they are in it.
    """

    def __init__(self, store: Store, folder: str) -> None:
        self._store, self._folder = store, folder

    def deaths(self, shard: str) -> int:
        """How many workers have begun a shard, and did not live to say what became of it.

        Raises:
            ImageError: where they are `MOST_ATTEMPTS` or more.
        """
        begun = self._store.names(f"{self._folder}/{shard}{ATTEMPTS}")
        before = [name for name in begun if not self._store.is_held(name)]
        if len(before) >= MOST_ATTEMPTS:
            names = ", ".join(name.rpartition("/")[2] for name in before)
            raise ImageError(
                f"set aside: {len(before)} workers died over it ({names}); find out why, and "
                f"remove {self._store.name}/{self._folder}/{shard}{ATTEMPTS} to have it tried again"
            )
        return len(before)

    @contextmanager
    def attempt(self, shard: str) -> Iterator[None]:
        """While a shard is being made; what kills its worker without a word is counted."""
        mine = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        with self._store.hold(f"{self._folder}/{shard}{ATTEMPTS}/{mine}"):
            yield

    def forgive(self, shards: Iterable[str]) -> None:
        """Count no attempts against shards, of workers that live no more; asks the store once."""
        wanted = {f"{self._folder}/{shard}{ATTEMPTS}" for shard in shards}
        found = [n for n in self._store.names(self._folder) if n.rpartition("/")[0] in wanted]
        for name in found:
            if not self._store.is_held(name):
                self._store.remove(name)
