"""What hands out shards to workers: the protocol of an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jaxanon.display.progress import Progress
from jaxanon.io.work import Work
from jaxanon.pipeline.shard import ShardWorker

OpenWorker = Callable[[], ShardWorker]
"""Loads what a worker needs, in the process that it is called in; can be sent to another one."""


@dataclass(frozen=True)
class EngineOptions:
    """Where workers run.

    Attributes:
        address: of the cluster; None starts one on this machine.
        workers: how many; None for as many as fit.
        devices_per_worker: accelerators that each has for itself.
        platform: kind of device that each must find, `cpu`, `gpu` or `tpu`; None for the best that
            the cluster says it has.
    """

    address: str | None = None
    workers: int | None = None
    devices_per_worker: int = 1
    platform: str | None = None


class Engine(Protocol):
    """Hands out shards to workers."""

    def run(
        self, open_worker: OpenWorker, shards: Sequence[Work], progress: Progress
    ) -> Sequence[str]:
        """Have all shards adapted; names of those that could not be, each said to `progress`.

        Raises:
            JaxanonError: when no worker can be opened.
        """
        ...
