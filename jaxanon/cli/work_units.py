"""From what a command line gives to units of work: shards, or slices of a listing."""

from __future__ import annotations

import hashlib
import json
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from jaxanon.errors import UsageError
from jaxanon.io.files import real_path
from jaxanon.io.listing.columns import Columns
from jaxanon.io.listing.writing import listing_lines
from jaxanon.io.shard_kinds import SHARD_KINDS, TO, is_shard
from jaxanon.io.slices import GIVEN, LISTING, slices_of
from jaxanon.io.sources import all_entries, is_list
from jaxanon.io.sources.shards import shards_in
from jaxanon.io.stores.store import Store
from jaxanon.io.urls import Place, Url
from jaxanon.io.work import ShardFile, Work
from jaxanon.pipeline.manifest import Manifest

OURS = frozenset({"manifest", "lists"})
"""Folders of the output that are not for pictures."""
SLICE = 200
"""Pictures in a slice, where nothing else is asked for."""


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
    asked = [args.to, args.drop, args.slice, args.shard, args.engine != "local"]
    # Refused there without Ray.
    asked += [args.address, args.workers, args.platform, args.devices_per_worker]
    places = [*args.src, args.output]
    known = any(isinstance(place, Url) or is_list(place) or is_shard(place) for place in places)
    return any(asked) or known or any(shards_in(place) for place in args.src)


def work_units(args: Namespace, manifest: Manifest) -> WorkUnits:
    """The units of work of a command line: of all processes that share the run.

    Pictures are listed in the output folder first, once: a resumed run, and the other processes
    of `--shard`, go by that listing. With `--overwrite`, what a run has made there is removed, once
    the inputs are known to be good.

    Args:
        args: the command line.
        manifest: the run's.

    Raises:
        UsageError: for inputs that are not there, do not go together, or are not those of the run.
        ImageError: when a server does not answer, or the listing cannot be written.
    """
    to, store = TO[args.to] if args.to else None, manifest.store
    recorded: dict[str, object] = {"to": args.to}
    if args.drop:
        recorded["drop"] = sorted({*args.drop})
    if shards := shards_among(args.src, to, tuple(args.drop)):
        if args.slice:
            raise UsageError(f"--slice is for pictures; {shards[0].shown} is a unit by itself")
        if args.overwrite:
            manifest.discard_all()
        return WorkUnits(shards, [shard.shown for shard in shards], recorded)
    given = list(map(str, args.src))
    if store.exists(LISTING) and (args.shard or manifest.exists()) and not args.overwrite:
        _check_listed(store, args.src)
    else:
        _list(args, manifest, given)
    size = args.slice or SLICE
    found = slices_of(store, args.output, LISTING, size, to or "")
    recorded |= {"slice": size, "listing": store.size(LISTING)}
    return WorkUnits(found, given, recorded)


@contextmanager
def unlisted_unless_begun(manifest: Manifest) -> Iterator[None]:
    """Remove the listing made in this context, if the run did not begin: it may be outdated then.

    Args:
        manifest: the run's.
    """
    store = manifest.store
    before = store.exists(LISTING)
    try:
        yield
    except BaseException:
        if not before and not manifest.exists():
            store.remove(LISTING)
            store.remove(GIVEN)
        raise


def _check_listed(store: Store, places: Sequence[Place]) -> None:
    """Make sure that the listing is that of what is given, and of lists as they are now.

    Raises:
        UsageError: where it is not.
    """
    found, given = json.loads(store.read(GIVEN)), list(map(str, places))
    if (before := found["given"]) != given:
        raise UsageError(
            f"the run in {store.name} lists {', '.join(before)}, not {', '.join(given)}; give the "
            "same, or --overwrite to begin anew"
        )
    for name, digest in _digests(places).items():
        if found["lists"].get(name) != digest:
            raise UsageError(
                f"{name}: was changed since the run in {store.name} began; give --overwrite to "
                "begin anew, or another output folder"
            )


def _digests(places: Sequence[Place]) -> dict[str, str]:
    """List among what is given -> its SHA-256."""
    found = {}
    for place in places:
        if isinstance(place, Path) and is_list(place):
            with place.open("rb") as file:
                found[str(place)] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _list(args: Namespace, manifest: Manifest, given: Sequence[str]) -> None:
    """Write the listing, in place of what a run that did not begin has left.

    Raises:
        UsageError: where there are no pictures, or something is given twice.
    """
    here = [real_path(place) for place in args.src if isinstance(place, Path)]
    for path, place in zip(here, args.src, strict=False):
        if here.count(path) > 1 or any(other in path.parents for other in here):
            raise UsageError(f"{place} is given twice, by itself or in a folder; give it once")
    if args.drop and not any(is_list(place) for place in args.src):
        raise UsageError(
            f"--drop {args.drop[0]} is for members of shards and columns of lists; "
            f"{', '.join(given)} has none"
        )
    file, columns = manifest.store.create(LISTING), Columns()
    lists = _digests(args.src)
    try:
        for line in listing_lines(columns.noted(all_entries(args.src, args.drop))):
            file.write(line)
        if not file.size:
            raise UsageError(f"no pictures in {', '.join(given)}")
        if args.overwrite:
            manifest.discard_all()
        told = {"given": given, "columns": columns.kinds, "lists": lists}
        manifest.store.write(GIVEN, f"{json.dumps(told)}\n".encode())
        file.commit(first=bool(args.shard))  # another process of --shard may have been faster
    finally:
        file.discard()


def shards_among(
    places: Sequence[Place], to: str | None = None, drop: tuple[str, ...] = ()
) -> list[ShardFile]:
    """The shards among what was given, or in folders that were, by name; none for pictures.

    Args:
        places: as given.
        to: suffix of what is to be made of each; None for its own.
        drop: members or columns that are left out.

    Raises:
        UsageError: for both at once, or two of which the same would be made.
    """
    places = [inner for place in places for inner in shards_in(place) or [place]]
    found = [place for place in places if is_shard(place)]
    others = [place for place in places if not is_shard(place)]
    if found and others:
        raise UsageError(f"{found[0]} is a shard, {others[0]} is none; adapt them in two runs")
    files = [ShardFile(place.absolute(), str(place), to, drop) for place in found]
    for file in files:
        stem, suffix = PurePath(file.name).stem.lower(), PurePath(file.name).suffix.lower()
        if file.name.startswith(".") or stem in OURS or (to == "" and suffix in SHARD_KINDS):
            raise UsageError(
                f"{file.shown}: what is made of it would be called {file.name}, which has a "
                "meaning of its own in the output; rename the shard"
            )
    times = Counter(file.name for file in files)
    if twice := [name for name, count in times.items() if count > 1]:
        raise UsageError(
            f"two shards are called {twice[0]}, so that one would replace the other; adapt them "
            "in two runs"
        )
    return sorted(files, key=lambda file: file.name)
