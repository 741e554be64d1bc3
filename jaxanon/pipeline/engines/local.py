"""The engine that needs nothing: this process adapts one shard after the other.

Shards are read and written by other threads, beside the images of the shard that is adapted. That
is done by the caller's thread: there Ctrl-C and SIGTERM arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError
from jaxanon.io.stores.patience import lose_patience
from jaxanon.io.work import Work
from jaxanon.pipeline.engines.engine import EngineOptions, OpenWorker
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.shard import IN_HAND, Steps


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
        worker, broken = open_worker(), list[str]()

        def told(record: Record) -> None:
            if record.error and record.status == "failed":
                progress.error(record.error)
            progress.advance()

        def next_step(shard: Work, steps: Steps) -> bool:
            """Make the next step of a shard; whether there is a further one."""
            try:
                next(steps)
            except StopIteration:
                return False
            except ImageError as error:
                broken.append(shard.name)
                progress.error(f"shard {shard.name}: {error}")
                return False
            return True

        if not shards:
            return []
        threads, hand = ThreadPoolExecutor(IN_HAND), deque[Steps](maxlen=IN_HAND + 1)

        def read(shard: Work) -> Future[bool]:
            hand.append(worker.steps(shard, told))
            return threads.submit(next_step, shard, hand[-1])

        try:
            coming, writing = read(shards[0]), Future[bool]()
            writing.set_result(False)
            for number, shard in enumerate(shards):
                goes_on, steps = coming.result(), hand[-1]
                if number + 1 < len(shards):
                    coming = read(shards[number + 1])
                if goes_on and next_step(shard, steps):
                    writing.result()
                    writing = threads.submit(next_step, shard, steps)
            writing.result()
        except BaseException:
            lose_patience()
            threads.shutdown(wait=True, cancel_futures=True)
            for steps in hand:
                steps.close()
            raise
        finally:
            threads.shutdown()
        return broken
