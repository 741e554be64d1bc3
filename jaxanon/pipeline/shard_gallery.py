"""The thumbnails of a run over shards: a file for each shard in which images have any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from zlib import crc32

from jaxanon.io.shard_kinds import LISTS
from jaxanon.io.stores.store import Store
from jaxanon.pipeline.thumbnails import KEPT, Thumbnails

FOLDER = f"{LISTS}/thumbnails"
"""Where they lie in the output folder."""
ONE_OF = 1000
"""Of so many images one gets thumbnails, where the number of all is not known."""
MOST = 2 * KEPT
"""Images that are shown, at most."""


def is_drawn(name: str, images: int) -> bool:
    """Whether an image of a run gets thumbnails, about `KEPT` of all; the same on each machine.

    Args:
        name: of the image.
        images: of the run; 0 where that is not known.
    """
    return crc32(name.encode(errors="replace")) % (-(-images // KEPT) or ONE_OF) == 0


def write(store: Store, shard: str, thumbnails: Sequence[Thumbnails]) -> None:
    """Keep the thumbnails of a shard, where it has any.

    Raises:
        ImageError: when they cannot be written.
    """
    if thumbnails:
        text = "".join(f"{each.to_line()}\n" for each in thumbnails)
        store.write(f"{FOLDER}/{shard}.jsonl", text.encode())


def read(store: Store) -> Mapping[str, Thumbnails]:
    """The thumbnails of a run by key, `MOST` at most; what is damaged is left out."""
    return {each.key: each for each in islice(_all(store), MOST)}


def discard(store: Store) -> None:
    """Remove all of them."""
    for name in list(store.names(FOLDER)):
        store.remove(name)


def _all(store: Store) -> Iterator[Thumbnails]:
    for name in store.names(FOLDER):
        with suppress(OSError, ValueError, TypeError):
            for line in store.lines(name):
                yield Thumbnails.from_line(line)
