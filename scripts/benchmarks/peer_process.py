"""PyTorch in a process of its own: what `bench_vs_torch.py` asks, and what answers it there."""

from __future__ import annotations

import importlib
import multiprocessing
import resource
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from torch_peers import FIXED, Judge, gradient_step, model_of, run, run_foolbox

from jaxanon.adaptation.settings import preset
from jaxanon.classifiers import registry
from jaxanon.evaluation import throughput as benchmark
from jaxanon.runtime import memory


class Peer:
    """PyTorch in a process of its own, as its users run it; it works only while it is asked to.

    Args:
        keep_freed: give it the setting of the C library's memory that our commands use.
    """

    def __init__(self, *, keep_freed: bool = False) -> None:
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(theirs, keep_freed), daemon=True)
        self._process.start()
        self._connection = ours

    def prepare(self, names: Sequence[str], batch: int, precision: str, *, compiled: bool) -> float:
        """Load models and make a gradient step of them; seconds of its first call."""
        return float(self._ask("prepare", names, batch, precision, compiled))

    def steps(self, count: int) -> list[float]:
        """Seconds of so many gradient steps, after one that is not counted."""
        seconds: list[float] = self._ask("steps", count)
        return seconds

    def end_to_end(
        self, who: str, names: Sequence[str], batch: int, files: Sequence[Path], out: Path
    ) -> dict[str, Any]:
        """What a run of `who` made of the files, and its seconds."""
        answer: dict[str, Any] = self._ask("end_to_end", who, names, batch, files, out)
        return answer

    def memory_mb(self) -> float:
        """Its largest memory so far."""
        return float(self._ask("memory_mb"))

    def close(self) -> None:
        """End the process."""
        self._connection.send(None)
        self._process.join()

    def _ask(self, what: str, *arguments: Any) -> Any:
        self._connection.send((what, arguments))
        return self._connection.recv()


class _Server:
    """The other side of `Peer`."""

    def __init__(self) -> None:
        self._step: Callable[[], Any] = lambda: None
        self._judges: dict[tuple[str, ...], Judge] = {}

    def prepare(self, names: Sequence[str], batch: int, precision: str, compiled: bool) -> float:
        configs = [registry.find(name).config for name in names]
        models = [model_of(name) for name in names]
        if compiled:
            models = [torch.compile(model) for model in models]
        made = [benchmark.inputs_for(config, batch) for config in configs]
        self._step = gradient_step(models, configs, made, precision)
        begin = time.perf_counter()
        self._step()
        return time.perf_counter() - begin

    def steps(self, count: int) -> list[float]:
        return benchmark.seconds_of(self._step, count)

    def end_to_end(
        self, who: str, names: Sequence[str], batch: int, files: Sequence[Path], out: Path
    ) -> dict[str, Any]:
        key = tuple(names)
        if key not in self._judges:
            configs = [registry.find(name).config for name in names]
            self._judges[key] = Judge([model_of(name) for name in names], configs, batch)
        judge, settings = self._judges[key], preset("fast")
        if who == "foolbox":
            importlib.import_module("foolbox")  # which takes a while, and is not to be timed
        begin = time.perf_counter()
        if who == "foolbox":
            result = run_foolbox(judge, files, out, settings)
        else:
            fixed = FIXED if who.endswith("fixed steps") else None
            drop = who.endswith("dropping")
            result = run(judge, files, out, settings, drop=drop, fixed=fixed)
        return {**result, "seconds": time.perf_counter() - begin}

    def memory_mb(self) -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _serve(connection: Connection, keep_freed: bool) -> None:
    if keep_freed:
        memory.keep_freed()
    server = _Server()
    while (message := connection.recv()) is not None:
        what, arguments = message
        connection.send(getattr(server, what)(*arguments))
