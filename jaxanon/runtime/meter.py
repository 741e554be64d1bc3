"""Measuring where the time of a run goes: seconds per stage, and how long devices had work."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

BUSY = 0.9
"""Share of the steady state in which a device that bounds a run has work."""


class Meter:
    """Counts seconds of the host's stages and of the device's work; any thread may call.

    A *stage* is work of the host; its seconds are summed over threads. The device counts as busy
    from the moment a program is handed to it until its result is known, and the spans of several
    programs count once where they overlap. The *steady state* lies between the first time that
    all slots are taken and the last time that one is refilled: start and end of a run, when there
    is too little to do, are left out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._start = time.perf_counter()
        self._stages: Counter[str] = Counter()
        self._programs = 0
        self._since = 0.0
        self._busy = 0.0
        self._slots: Counter[str] = Counter()
        self._steady: tuple[tuple[float, float], tuple[float, float]] | None = None

    def start(self) -> None:
        """Start counting: loading and compilation are over."""
        with self._lock:
            self._start = time.perf_counter()
            self._busy = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds of the `with` block for the stage of this name."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._stages[name] += time.perf_counter() - begin  # type: ignore[assignment]

    def begin(self) -> None:
        """Note that a program goes to the device."""
        with self._lock:
            if not self._programs:
                self._since = time.perf_counter()
            self._programs += 1

    def end(self) -> None:
        """Note that the result of a program is known."""
        with self._lock:
            self._programs -= 1
            if not self._programs:
                self._busy += time.perf_counter() - self._since

    @contextmanager
    def device(self) -> Iterator[None]:
        """Call `begin` before and `end` after the `with` block."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def chunk(self, taken: int, slots: int) -> None:
        """Note that a chunk of steps starts.

        Args:
            taken: slots that hold an image.
            slots: all slots.
        """
        with self._lock:
            self._slots.update(taken=taken, all=slots)

    def steady(self) -> None:
        """Note that all slots are taken at this moment."""
        with self._lock:
            now = time.perf_counter()
            busy = self._busy + (now - self._since if self._programs else 0)
            first = self._steady[0] if self._steady else (now, busy)
            self._steady = first, (now, busy)

    def report(self) -> dict[str, Any]:
        """What was measured so far, for the JSON report.

        Returns:
            `device_busy`: share of the time in which the device had work, in [0, 1];
            `device_busy_steady`: that share within the steady state; `slots_taken`: share of slots
            that held an image; each None where nothing was measured. `bound`: what a faster run
            would need more of, `device` where the device had work for most of the steady state,
            else `host`, which then feeds it too slowly (or the run is too short to tell); None
            where no image was adapted. `host_seconds`: seconds by stage, summed over threads.
        """
        with self._lock:
            span = None
            if self._steady is not None:
                (start, before), (stop, after) = self._steady
                span = (after - before) / (stop - start) if stop > start else None
            total = time.perf_counter() - self._start
            return {
                "device_busy": _share(self._busy, total),
                "device_busy_steady": None if span is None else round(span, 4),
                "slots_taken": _share(self._slots["taken"], self._slots["all"]),
                "bound": self._bound(span),
                "host_seconds": {name: round(s, 3) for name, s in sorted(self._stages.items())},
            }

    def _bound(self, steady: float | None) -> str | None:
        if not self._slots["all"]:
            return None
        return "device" if steady is not None and steady >= BUSY else "host"


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole > 0 else None
