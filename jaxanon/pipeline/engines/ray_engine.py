"""The engine that spreads workers over a cluster: Ray Data, one row per shard.

A row is the *name* of a shard (https://docs.ray.io/en/latest/data/data.html): no pixels pass
through Ray. An actor adapts one shard after the other and writes it out itself, so what is lost
with an actor, a node or the driver are at most the shards in hand of each. Ray begins a lost shard
again as often as it is lost; that it is so no more than a few times is the manifest's business.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from jaxanon.display.progress import Progress
from jaxanon.errors import JaxanonError, UsageError
from jaxanon.io.images import quiet
from jaxanon.io.work import Work
from jaxanon.pipeline.engines.engine import EngineOptions, OpenWorker
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.shard import IN_HAND
from jaxanon.runtime import memory
from jaxanon.runtime.devices import available

RESOURCES = {"tpu": "TPU", "gpu": "GPU"}
"""Kind of device -> what Ray calls it, the best first."""
PATIENCE = 10.0
"""Seconds within which a cluster must answer."""
BLOCKS = 10_000
"""Parts that Ray Data holds well; of more shards, each has several."""
FEW = 3
"""Shards per worker below which each has but one in hand."""
OBJECT_STORE = 100_000_000
"""Bytes of Ray's store on a machine of our own: names and counts are all that lies in it."""


class RayEngine:
    """Hands out shards to actors of a Ray cluster: an `Engine`.

    Args:
        options: where workers run.

    Raises:
        UsageError: when Ray is not installed.
    """

    def __init__(self, options: EngineOptions) -> None:
        try:
            import ray.data
        except ImportError as error:
            raise UsageError(
                "--engine ray needs the extra cluster: pip install 'jaxanon[cluster]'"
            ) from error
        self.options, self._ray = options, ray

    def run(
        self, open_worker: OpenWorker, shards: Sequence[Work], progress: Progress
    ) -> Sequence[str]:
        ray, data = self._ray, self._ray.data
        self._connect()
        try:
            data.DataContext.get_current().enable_progress_bars = False
            workers, each = self._workers(len(shards))
            platform = self.options.platform or next(iter(each)).lower()
            # Of few shards, none waits at one worker while another has nothing to do.
            in_hand = IN_HAND if len(shards) >= FEW * workers else 1
            names = [{"work": pickle.dumps(work)} for work in shards]
            rows = data.from_items(names, override_num_blocks=min(len(names), BLOCKS)).map_batches(
                _Actor,
                fn_constructor_args=(open_worker, platform),
                batch_size=1,
                compute=data.ActorPoolStrategy(
                    size=workers,
                    max_tasks_in_flight_per_actor=in_hand,
                    max_concurrent_calls_per_actor=in_hand,
                    enable_true_multi_threading=True,
                ),
                **_asked_of_ray(each),
            )
            # To the end, whatever comes: Ray ends a process that stops it in the middle.
            seen = [_note(row, progress) for row in rows.iter_rows()]
        except ray.exceptions.RayError as error:
            raise JaxanonError(f"Ray: {str(error).splitlines()[0]}") from error
        finally:
            ray.shutdown()
        if fatal := next((row["fatal"] for row in seen if row["fatal"]), None):
            raise UsageError(str(fatal))
        return [str(row["shard"]) for row in seen if row["broken"]]

    def _connect(self) -> None:
        """Join the cluster, or start one on this machine."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")
        here: dict[str, Any] = {
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE,
            "num_cpus": max(os.cpu_count() or 1, self.options.workers or 1),
            "_node_ip_address": "127.0.0.1",
        }
        address = self.options.address or os.environ.get("RAY_ADDRESS")
        try:
            _knock(address)
            logging.getLogger("ray").setLevel(logging.WARNING)
            with _own_answer_to_sigterm():
                self._ray.init(
                    address or "local",  # none would join one that happens to run here
                    log_to_driver=False,
                    logging_level=logging.WARNING,
                    runtime_env={"env_vars": memory.ENVIRONMENT},
                    **({} if address else here),
                )
        except (OSError, RuntimeError, ValueError) as error:
            where = f"--address {address}" if address else "a cluster on this machine"
            raise UsageError(f"{where}: {error}") from error

    def _workers(self, shards: int) -> tuple[int, dict[str, int]]:
        """How many workers, and the resource that each has for itself with its number."""
        there = self._ray.cluster_resources()
        wanted, each = self.options.platform, self.options.devices_per_worker
        for platform, name in RESOURCES.items():
            if wanted == platform or (wanted is None and there.get(name, 0) >= 1):
                most = int(there.get(name, 0)) // each
                if most < (self.options.workers or 1):
                    raise UsageError(
                        f"--workers {self.options.workers or 1} of {each} {name} each: the cluster "
                        f"has {there.get(name, 0):g}"
                    )
                return min(self.options.workers or most, shards), {name: each}
        least, cores = self.options.workers or 1, there.get("CPU", 0)
        if cores < least:
            raise UsageError(f"--workers {least}: the cluster has {cores:g} CPUs, one for each")
        nodes = sum(node["Alive"] for node in self._ray.nodes())
        return min(self.options.workers or nodes, shards), {"CPU": 1}


@contextmanager
def _own_answer_to_sigterm() -> Iterator[None]:
    """Take back what Ray does about a signal: it would end this process amid its work."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        here = threading.current_thread() is threading.main_thread()  # there alone it can be set
        if here and before is not None:
            signal.signal(signal.SIGTERM, before)


def _knock(address: str | None) -> None:
    """Raise OSError or ValueError where nothing answers: Ray itself would ask for minutes."""
    if address and address != "auto" and "://" not in address:
        host, _, port = address.rpartition(":")
        with socket.create_connection((host, int(port)), PATIENCE):
            pass


def _asked_of_ray(each: dict[str, int]) -> dict[str, Any]:
    """A worker's resource, as Ray wants it said."""
    ((name, count),) = each.items()
    known = {"CPU": {"num_cpus": count}, "GPU": {"num_gpus": count}}
    return known.get(name, {"resources": {name: count}})


def _note(row: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Tell of a shard that an actor has done with; returns what the actor said of it."""
    for error in row["errors"]:
        progress.error(str(error))
    progress.advance(int(row["images"]))
    return row


class _Actor:
    """A worker in a process of Ray's.

    What cannot work is told with the first shard: an actor that fails at its start would be started
    again and again.
    """

    def __init__(self, open_worker: OpenWorker, platform: str) -> None:
        self._fatal = ""
        ExitStack().enter_context(quiet())  # as long as the process: it is not for single threads
        try:
            found = available()[0].platform
            if found != platform:
                raise UsageError(
                    f"a worker found devices of kind {found}, not {platform}, and does not start: "
                    "install what they need on every node, or give another --platform"
                )
            self._worker = open_worker()
        except JaxanonError as error:
            self._fatal = str(error)

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, Any]:
        """Adapt the shard of a batch of one."""
        work: Work = pickle.loads(batch["work"][0])
        errors: list[str] = []
        images, broken = 0, False

        def told(record: Record) -> None:
            if record.error and record.status == "failed":
                errors.append(record.error)

        try:
            if not self._fatal:
                images = self._worker.adapt(work, told).images
        except JaxanonError as error:
            errors.append(f"shard {work.name}: {error}")
            broken = True
        texts = np.empty(1, object)
        texts[0] = errors
        return {
            "shard": np.array([work.name]),
            "images": np.array([images]),
            "broken": np.array([broken]),
            "errors": texts,
            "fatal": np.array([self._fatal]),
        }
