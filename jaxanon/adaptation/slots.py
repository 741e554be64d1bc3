"""The running batch: fixed slots, chunks of masked steps, finished images leave, new ones enter.

Under `vmap` a `while_loop` would run until the slowest image is done. Here the compiled program
makes a fixed number of steps over all slots and leaves finished ones untouched; the host then
takes those out and fills their slots from its queue (continuous batching, as Yu et al. do for
language models: "Orca", OSDI 2022).
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Generic

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh

from jaxanon.adaptation import chunk
from jaxanon.adaptation.attempt import Attempt, Finished
from jaxanon.adaptation.ensemble_modes import ENSEMBLE_MODES
from jaxanon.adaptation.pace import Pace
from jaxanon.adaptation.placing import Placing
from jaxanon.adaptation.problem import K, Problem, blank
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.step import State
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.placed import placed
from jaxanon.errors import UsageError
from jaxanon.runtime import devices
from jaxanon.runtime.arrays import as_count

RESERVE = 0.9
"""Share of the device's free memory that the compiled program may take."""
log = logging.getLogger(__name__)


def wanted_slots(slots: int | None, mesh: Mesh, images: int = 0) -> int:
    """Images adapted at once on each device: the number given, or what suits the kind of device.

    Args:
        slots: the number given, or None.
        mesh: the devices.
        images: how many are to be adapted in all; 0 where that is not known.

    Raises:
        UsageError: when it is below 1, or no whole number.
    """
    return devices.at_once(mesh, images) if slots is None else as_count(slots, "slots")


class Slots(Generic[K]):
    """A batch of images under adaptation, on all devices of the sources.

    Args:
        sources: the classifiers whose gradients are followed.
        settings: options of the loop.
        slots: images per device; by default what suits the kind of device. Either is halved until
            the compiled program fits into the memory.
        length: gradient steps per call of the compiled program; by default 1 where images stop as
            soon as they are done (masked steps are wasted) and on CPUs (XLA runs convolutions
            inside a compiled loop on one core there), else 4.
        lag: chunks handed to the device before the flags of the first are read, less one. By
            default 0 on CPUs, where host and device are the same cores and a late flag is a wasted
            step, else 1, until the first chunks have shown which costs less
            (`jaxanon.adaptation.pace`).

    Raises:
        UsageError: when `slots` is below 1, or the settings do not suit the sources.
    """

    def __init__(
        self,
        sources: Ensemble,
        settings: Settings,
        slots: int | None = None,
        length: int | None = None,
        lag: int | None = None,
    ) -> None:
        platform = devices.platform(sources.mesh)
        wanted = wanted_slots(slots, sources.mesh)
        mode = settings.ensemble_mode
        classes = {classifier.config.num_classes for classifier in sources.classifiers}
        if ENSEMBLE_MODES[mode].equal_classes and len(classes) > 1:
            raise UsageError(
                f"ensemble_mode={mode} needs sources of equal classes, not of {sorted(classes)}; "
                "use ensemble_mode=losses"
            )
        if length is None:
            length = 4 if platform != "cpu" and settings.spends_all else 1
        self.lag = int(platform != "cpu") if lag is None else lag
        self._measures = lag is None and platform != "cpu"
        self.sources, self.settings, self.length = sources, settings.on(platform), length
        self._compiled = self.settings.compiled()
        self._problems: Problem
        self._states: State
        self._params = placed(sources.params, sources.mesh, self.settings.precision)
        self._arrange(wanted)

    @property
    def total(self) -> int:
        """Number of slots, on all devices."""
        return len(self._held)

    @property
    def free(self) -> int:
        """Number of slots that hold no image."""
        return self._held.count(None)

    @property
    def busy(self) -> int:
        """Number of slots that hold an image."""
        return self.total - self.free

    def fill(self, waiting: deque[Attempt[K]]) -> None:
        """Start attempts, the first ones first, while there are any and slots are free."""
        while self.free and waiting:
            free = (index for index, held in enumerate(self._held) if held is None)
            rows = self._placing.spread(free, len(waiting))
            indices = [index for row in rows for index in row.values()]
            started = dict(zip(indices, waiting, strict=False))
            places, entries = self._placing.places(rows), self._placing.entries(rows, started)
            buffers = (self._problems, self._states)
            self._problems, self._states = chunk.put(
                self._compiled, self.sources.mesh, buffers, places, entries
            )
            for index, attempt in started.items():
                self._held[index] = attempt
                waiting.popleft()

    def advance(self) -> list[Finished[K]]:
        """Hand a chunk to the device, and take out what an earlier one (`lag`) has finished."""
        if self.busy and len(self._flights) <= self.lag:
            self._launch()
        if not self._flights or (self.busy and len(self._flights) <= self.lag):
            return []
        done, held = self._flights.popleft()
        begin = time.perf_counter()
        try:
            flags = jax.device_get(done)
        finally:
            self.sources.meter.end()
        end = time.perf_counter()
        done_now = {
            index: attempt
            for index, attempt in enumerate(held)
            if attempt is not None and flags[index] and self._held[index] is attempt
        }
        # All are read before one slot is given up: where memory runs out here, none is lost.
        finished = self._take(done_now)
        for index in done_now:
            self._held[index] = None
        if self._measures:
            self._pace.read(begin, end, len(held) - held.count(None), len(finished))
            if self._pace.known:
                self.lag, self._measures = int(not self._pace.at_once), False
                log.info("flags are read %s", "late" if self.lag else "at once")
        return finished

    def _take(self, attempts: Mapping[int, Attempt[K]]) -> list[Finished[K]]:
        """Ask the devices for the results in slots; the arrays may arrive later."""
        left, finished = dict(attempts), []
        while left:
            rows = self._placing.rows(left)
            places = self._placing.places(rows)
            arrays = chunk.take(self.sources.mesh, self._states, places)
            parts = {device: [devices.shard(a, device) for a in arrays] for device in rows[0]}
            for part in parts.values():
                for array in part:
                    array.copy_to_host_async()
            for number, row in enumerate(rows):
                for device, index in row.items():
                    levels, steps = parts[device]
                    finished.append(Finished(left.pop(index), levels, steps, number))
        return finished

    def _launch(self) -> None:
        """Hand a chunk of steps to the device."""
        self.sources.meter.chunk(self.busy, self.total)
        self.sources.meter.begin()
        try:
            self._states, done = chunk.advance(
                self.sources.networks,
                self._compiled,
                self.length,
                self.sources.mesh,
                self._params,
                self._problems,
                self._states,
            )
        except BaseException:
            self.sources.meter.end()
            raise
        done.copy_to_host_async()
        self._flights.append((done, tuple(self._held)))

    def wait(self) -> None:
        """Return once the devices have done all that they were given."""
        jax.block_until_ready(self._states)

    def halve(self) -> list[Attempt[K]]:
        """Begin anew with half of the slots; returns the attempts that were under way.

        Raises:
            DeviceMemoryError: when there is one slot per device already.
        """
        under_way = [attempt for attempt in self._held if attempt is not None]
        for _ in self._flights:
            self.sources.meter.end()
        way_out = "take fewer sources, or --devices of more memory"
        fewer = devices.half(self._slots_per_device, "slots", way_out)
        del self._problems, self._states
        self._arrange(fewer)
        return under_way

    def _arrange(self, wanted: int) -> None:
        """Empty slots, as many of the wanted ones as fit; compiles the program for them."""
        mesh = self.sources.mesh
        slots, self.memory = self._that_fit(wanted)
        self._slots_per_device = slots
        self._held: list[Attempt[K] | None] = [None] * (slots * mesh.size)
        self._flights: deque[tuple[Array, Sequence[Attempt[K] | None]]] = deque()
        self._pace = Pace(self.total)
        empty: chunk.Buffers = jax.tree.map(
            lambda leaf: jax.device_put(np.zeros(leaf.shape, leaf.dtype), devices.split(mesh)),
            chunk.shapes(self.sources, self._compiled, slots),
        )
        self._problems, self._states = empty
        self._placing = Placing(mesh, slots, blank(self.sources, self._compiled))

    def _that_fit(self, wanted: int) -> tuple[int, int]:
        """How many of the wanted slots per device fit, and the bytes that each device needs."""
        room = devices.free_memory(self.sources.mesh)
        weights = sum(leaf.nbytes for leaf in jax.tree.leaves(self._params))  # there already
        slots, need = wanted, self._need(wanted)
        while room is not None and slots > 1 and need - weights > RESERVE * room:
            slots //= 2
            halved = (need - weights) // 2 + weights
            # Compiled again only where it may fit: that takes long.
            fits = halved - weights <= RESERVE * room
            need = self._need(slots) if fits or slots == 1 else halved
        if slots < wanted:
            text = "%d slots per device instead of %d: they take %.1f of %.1f GB that are free"
            log.warning(text, slots, wanted, (need - weights) / 1e9, (room or 0) / 1e9)
        return slots, need

    def _need(self, slots: int) -> int:
        """Bytes that each device needs for so many slots; compiles the program."""
        return chunk.need(self.sources, self._compiled, self.length, self._params, slots)
