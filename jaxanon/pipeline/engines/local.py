"""The engine that needs nothing: this process adapts one shard after the other."""

from __future__ import annotations

from collections.abc import Sequence

from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError
from jaxanon.io.work import Work
from jaxanon.pipeline.engines.engine import EngineOptions, OpenWorker
from jaxanon.pipeline.record import Record


class LocalEngine:
    """Adapts shards in this process: an `Engine`.

    Args:
        options: nothing of them is used.
    """

    def __init__(self, options: EngineOptions) -> None:
        del options

    def run(
        self, open_worker: OpenWorker, shards: Sequence[Work], progress: Progress
    ) -> Sequence[str]:
        worker = open_worker()
        broken = []

        def told(record: Record) -> None:
            if record.error and record.status == "failed":
                progress.error(record.error)
            progress.advance()

        for shard in shards:
            try:
                worker.adapt(shard, told)
            except ImageError as error:
                broken.append(shard.name)
                progress.error(f"shard {shard.name}: {error}")
        return broken
