"""What of a run over a data set is not finished: lost by a process, or still to come."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from jaxanon.io.shard_kinds import TO
from jaxanon.io.slices import LISTING, slices_of
from jaxanon.io.urls import place
from jaxanon.io.work import ShardFile, Work
from jaxanon.pipeline.manifest import Manifest


def unfinished(manifest: Manifest, finished: Collection[str]) -> list[str]:
    """Names of the units of a run that are not among the finished ones, in their order.

    Args:
        manifest: the run's.
        finished: names of those that are.

    Raises:
        UsageError: where the manifest cannot be read.
    """
    run, store = manifest.run(), manifest.store
    to = TO[run["settings"]["to"]] if run["settings"].get("to") else None
    units: Sequence[Work]
    if "listing" in run["settings"]:
        if not store.exists(LISTING):
            return [LISTING]
        size = run["settings"]["slice"]
        units = slices_of(store, place(store.name), LISTING, size, to or "")
    else:
        units = [ShardFile(place(name), name, to) for name in run["inputs"]]
    return [unit.name for unit in units if unit.name not in finished]
