"""Throughput over a run: images per second in each part of it, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from jaxanon.pipeline.shard_done import ShardDone

PARTS = 12
"""Parts that a run is cut into at most."""
UNITS = {"h": 3600.0, "min": 60.0, "s": 1.0}
"""Unit of time -> seconds, longest first."""


def over_time(ends: Sequence[float]) -> dict[str, float]:
    """Images per second in equal spans of a run.

    Args:
        ends: seconds since the start at which images were finished, in any order.

    Returns:
        Span, such as `0-5 s` -> images per second; empty for fewer than two images a span.
    """
    parts = min(PARTS, len(ends) // 2)
    total = max(ends, default=0.0)
    if parts < 2 or total <= 0:
        return {}
    width = total / parts
    counts = Counter(min(int(end / width), parts - 1) for end in ends)
    unit = next((unit for unit, seconds in UNITS.items() if total >= 5 * seconds), "s")
    size = width / UNITS[unit]
    digits = 0 if size >= 5 else 1 if size >= 0.5 else 2
    return {
        f"{part * size:.{digits}f}-{(part + 1) * size:.{digits}f} {unit}": counts[part] / width
        for part in range(parts)
    }


def over_shards(shards: Sequence[ShardDone]) -> Mapping[str, float]:
    """Images per second of the worker that adapted them, over a run's shards in their order.

    Args:
        shards: the finished ones.

    Returns:
        Shards, such as `3-4`, counted from 1 -> images per second; empty for fewer than two.
    """
    if len(shards) < 2:
        return {}
    each = -(-len(shards) // PARTS)
    found = {}
    for first in range(0, len(shards), each):
        some = shards[first : first + each]
        seconds = sum(done.seconds for done in some)
        label = f"{first + 1}-{first + len(some)}" if len(some) > 1 else str(first + 1)
        if seconds > 0:
            found[label] = sum(done.images for done in some) / seconds
    return found
