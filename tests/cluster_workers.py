"""Drivers and workers in processes of their own, on tiny classifiers; not all of them live long.

    python cluster_workers.py '{"words": [...], "engine": {...}, "how": {...}}'

runs the engine on the shards of a command line, and prints which of them could not be adapted.
"""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

from command_line import with_tinies

from jaxanon.classifiers import registry
from jaxanon.cli import parser
from jaxanon.cli.shard_worker import open_worker
from jaxanon.cli.work_units import shards_among
from jaxanon.display.progress import Progress
from jaxanon.errors import JaxanonError
from jaxanon.pipeline.engines.engine import EngineOptions
from jaxanon.pipeline.engines.ray_engine import RayEngine


def open_tiny(words, deadly=None, lives=None):
    """A worker for a command line of tiny classifiers.

    Args:
        words: the command line.
        deadly: name of the shard over which the worker's process is killed, after two images.
        lives: a folder of files, each of which lets that happen once; None for every time.
    """
    registry.ENTRIES.update(with_tinies())
    worker = open_worker(parser().parse_args(words), {"to": None})
    real = worker.adapt

    def adapt(work, told):
        seen = []

        def count(record):
            seen.append(record)
            if len(seen) == 2 and work.name == deadly and _costs_a_life(lives):
                os.kill(os.getpid(), signal.SIGKILL)
            told(record)

        return real(work, count)

    worker.adapt = adapt
    return worker


def _costs_a_life(lives):
    if lives is None:
        return True
    left = list(Path(lives).iterdir())
    if left:
        left[0].unlink()
    return bool(left)


def drive(words, engine, how):
    """Run the engine in this process; names of the shards that could not be adapted."""
    args = parser().parse_args(words)
    made = RayEngine(EngineOptions(**engine))
    works = shards_among(args.src)
    return made.run(partial(open_tiny, words, **how), works, Progress(0, quiet=True))


if __name__ == "__main__":
    from cluster_workers import drive  # under the name by which workers find it

    try:
        print(json.dumps(drive(**json.loads(sys.argv[1]))))
    except JaxanonError as error:
        sys.exit(str(error))
