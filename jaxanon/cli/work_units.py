"""From what a command line gives to units of work: shards, or slices of a listing."""

from __future__ import annotations

import json
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from jaxanon.errors import UsageError
from jaxanon.io.fetching import files_below
from jaxanon.io.files import real_path
from jaxanon.io.kinds.folders import is_no_picture
from jaxanon.io.listing.columns import Columns
from jaxanon.io.listing.writing import listing_lines
from jaxanon.io.shard_kinds import SHARD_KINDS, is_shard
from jaxanon.io.slices import GIVEN, LISTING, slices_of
from jaxanon.io.sources import all_entries, is_list
from jaxanon.io.urls import Place, Url
from jaxanon.io.work import ShardFile, Work
from jaxanon.pipeline.manifest import Manifest

OURS = frozenset({"manifest", "lists"})
"""Folders of the output that are not for pictures."""
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
    if shards := shards_among(args.src, to):
        if args.slice:
            raise UsageError(f"--slice is for pictures; {shards[0].shown} is a unit by itself")
        if args.overwrite:
            manifest.discard_all()
        return WorkUnits(shards, [shard.shown for shard in shards], recorded)
    given = list(map(str, args.src))
    begun = store.exists(LISTING) and (args.shard or manifest.exists()) and not args.overwrite
    if begun and (before := json.loads(store.read(GIVEN))["given"]) != given:
        raise UsageError(
            f"the run in {store.name} lists {', '.join(before)}, not {', '.join(given)}; give the "
            "same, or --overwrite to begin anew"
        )
    if not begun:
        _list(args, manifest, given)
    size = args.slice or SLICE
    found = slices_of(store, args.output, LISTING, size, to or "")
    recorded |= {"slice": size, "listing": store.size(LISTING)}
    return WorkUnits(found, given, recorded)


def _list(args: Namespace, manifest: Manifest, given: Sequence[str]) -> None:
    """Write the listing, in place of what a run that did not begin has left.

    Raises:
        UsageError: where there are no pictures, or something is given twice.
    """
    here = [real_path(place) for place in args.src if isinstance(place, Path)]
    for path, place in zip(here, args.src, strict=False):
        if here.count(path) > 1 or any(other in path.parents for other in here):
            raise UsageError(f"{place} is given twice, by itself or in a folder; give it once")
    file, columns = manifest.store.create(LISTING), Columns()
    try:
        for line in listing_lines(columns.noted(all_entries(args.src))):
            file.write(line)
        if not file.size:
            raise UsageError(f"no pictures in {', '.join(given)}")
        if args.overwrite:
            manifest.discard_all()
        told = {"given": given, "columns": columns.kinds}
        manifest.store.write(GIVEN, f"{json.dumps(told)}\n".encode())
        file.commit(first=bool(args.shard))  # another process of --shard may have been faster
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


def _shards_in(folder: Place) -> Sequence[Place]:
    """The shards right in a folder; none where it is no folder, or has none.

    Raises:
        UsageError: where it has pictures, too.
    """
    if isinstance(folder, Url):
        inner: Iterable[Place] = [] if is_shard(folder) else files_below(folder)
    elif folder.is_dir():
        inner = (path for path in folder.iterdir() if not path.name.startswith("."))
    else:
        inner = []
    found, picture = [], None
    for place in inner:
        if is_shard(place):
            found.append(place)
        elif picture is None and (isinstance(place, Url) or place.is_file()):
            picture = None if is_no_picture(PurePath(place.name)) else place
    if found and picture:
        raise UsageError(
            f"{folder} holds shards ({min(place.name for place in found)}) and pictures "
            f"({picture.name}); give either"
        )
    return sorted(found, key=lambda place: place.name)
