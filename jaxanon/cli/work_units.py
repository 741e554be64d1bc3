"""From what a command line gives to units of work: shards, or slices of a listing."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from jaxanon.errors import UsageError
from jaxanon.io.fetching import shards_below
from jaxanon.io.kinds.folders import is_no_picture
from jaxanon.io.listing.writing import listing_lines
from jaxanon.io.shard_kinds import SHARD_KINDS, is_shard
from jaxanon.io.slices import LISTING, slices_of
from jaxanon.io.sources import all_entries, is_list
from jaxanon.io.stores.store import Store
from jaxanon.io.urls import Place, Url
from jaxanon.io.work import ShardFile, Work

SLICE = 200
"""Pictures in a slice, where nothing else is asked for."""
TO = {"folder": "", "tar": ".tar", "parquet": ".parquet"}
"""What `--to` names -> suffix of what is made."""


@dataclass(frozen=True)
class WorkUnits:
    """What a run over a data set is to do.

    Attributes:
        works: the units, in their order.
        inputs: what the run names as such: the shards, or what was given.
        recorded: what of it the results depend on.
    """

    works: Sequence[Work]
    inputs: Sequence[str]
    recorded: dict[str, object]


def is_data_set(args: Namespace) -> bool:
    """Whether a command line asks for a run over a data set, rather than over some files."""
    asked = [args.to, args.slice, args.shard, args.engine != "local"]
    asked += [args.address, args.workers, args.platform]  # refused there without Ray
    places = [*args.src, args.output]
    known = any(isinstance(place, Url) or is_list(place) or is_shard(place) for place in places)
    return any(asked) or known or any(_shards_in(place) for place in args.src)


def work_units(args: Namespace, store: Store) -> WorkUnits:
    """The units of work of a command line: of all processes that share the run.

    Pictures are listed in the output folder first, once: a resumed run, and the other processes
    of `--shard`, go by that listing.

    Args:
        args: the command line.
        store: the output folder.

    Raises:
        UsageError: for inputs that are not there, or do not go together.
        ImageError: when a server does not answer, or the listing cannot be written.
    """
    to = TO[args.to] if args.to else None
    recorded: dict[str, object] = {"to": args.to}
    if shards := shards_among(args.src, to):
        if args.slice:
            raise UsageError(f"--slice is for pictures; {shards[0].shown} is a unit by itself")
        return WorkUnits(shards, [shard.shown for shard in shards], recorded)
    size = args.slice or SLICE
    if not store.exists(LISTING):
        _list(args.src, store)
    found = slices_of(store, args.output, LISTING, size, to or "")
    recorded |= {"slice": size, "listing": store.size(LISTING)}
    return WorkUnits(found, list(map(str, args.src)), recorded)


def _list(given: Sequence[Place], store: Store) -> None:
    """Write the listing.

    Raises:
        UsageError: where there are no pictures.
    """
    file = store.create(LISTING)
    try:
        for line in listing_lines(all_entries(given)):
            file.write(line)
        if not file.size:
            raise UsageError(f"no pictures in {', '.join(map(str, given))}")
        file.commit(first=True)  # another process of --shard may have been faster
    finally:
        file.discard()


def shards_among(places: Sequence[Place], to: str | None = None) -> list[ShardFile]:
    """The shards among what was given, or in folders that were, by name; none for pictures.

    Args:
        places: as given.
        to: suffix of what is to be made of each; None for its own.

    Raises:
        UsageError: for both at once, or two of which the same would be made.
    """
    places = [inner for place in places for inner in _shards_in(place) or [place]]
    found = [place for place in places if is_shard(place)]
    others = [place for place in places if not is_shard(place)]
    if found and others:
        raise UsageError(f"{found[0]} is a shard, {others[0]} is none; adapt them in two runs")
    files = [ShardFile(place.absolute(), str(place), to) for place in found]
    times = Counter(file.name for file in files)
    if twice := [name for name, count in times.items() if count > 1]:
        raise UsageError(
            f"two shards are called {twice[0]}, so that one would replace the other; adapt them "
            "in two runs"
        )
    return sorted(files, key=lambda file: file.name)


def _shards_in(folder: Place) -> Sequence[Place]:
    """The shards right in a folder; none where it is no folder, or has none.

    Raises:
        UsageError: where it has pictures, too.
    """
    if isinstance(folder, Url):
        return [] if is_shard(folder) else shards_below(folder, frozenset(SHARD_KINDS))
    if not folder.is_dir():
        return []
    inner = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    found = [path for path in inner if is_shard(path)]
    others = [path for path in inner if path not in found and path.is_file()]
    pictures = [path for path in others if not is_no_picture(path)]
    if found and pictures:
        raise UsageError(
            f"{folder} holds shards ({found[0].name}) and pictures ({pictures[0].name}); give "
            "either"
        )
    return found
