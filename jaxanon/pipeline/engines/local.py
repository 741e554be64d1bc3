"""The engine that needs nothing: this process adapts one shard after the other.

Shards are read and written by other threads, beside the images of the shard that is adapted. That
is done by the caller's thread: there Ctrl-C and SIGTERM arrive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from jaxanon.display.progress import Progress
from jaxanon.errors import ImageError
from jaxanon.io.stores.patience import in_a_hurry
from jaxanon.io.work import Work
from jaxanon.pipeline.engines.engine import EngineOptions, OpenWorker
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.shard import IN_HAND, ShardWorker, Steps, Told


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
            try:
                next(steps)
            except StopIteration:
                return False
            except ImageError as error:
                broken.append(shard.name)
                if not worker.stopped:
                    progress.error(f"shard {shard.name}: {error}")
                return False
            return True

        _overlap(worker, shards, told, next_step)
        return broken


def _overlap(
    worker: ShardWorker,
    shards: Sequence[Work],
    told: Told,
    next_step: Callable[[Work, Steps], bool],
) -> None:
    """Take shards through their three steps, the first and the last in other threads.

    Args:
        worker: adapts them.
        shards: in their order.
        told: told of each image.
        next_step: makes the next step of a shard; returns whether there is a further one.
    """
    in_hand: deque[Steps] = deque(maxlen=IN_HAND + 1)
    threads = ThreadPoolExecutor(IN_HAND)

    def read(shard: Work) -> Future[bool]:
        in_hand.append(worker.steps(shard, told))
        return threads.submit(next_step, shard, in_hand[-1])

    try:
        coming, writing = [read(shard) for shard in shards[:1]], None
        for number, shard in enumerate(shards):
            goes_on, steps = coming.pop().result(), in_hand[-1]
            coming += [read(following) for following in shards[number + 1 : number + 2]]
            if goes_on and next_step(shard, steps):
                if writing:
                    writing.result()  # raises what nobody expected
                writing = threads.submit(next_step, shard, steps)
        if writing:
            writing.result()
    except BaseException:
        with in_a_hurry():
            worker.stop()
            threads.shutdown(wait=True, cancel_futures=True)
            for steps in in_hand:
                steps.close()
        raise
    finally:
        threads.shutdown()
