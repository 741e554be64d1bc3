"""Which images one call writes into which slots of which device, or reads from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import jax
import numpy as np
from jax import Array
from jax.sharding import Mesh

from jaxanon.adaptation.attempt import Attempt
from jaxanon.adaptation.canvas import Canvas
from jaxanon.adaptation.chunk import Entry
from jaxanon.adaptation.packing import pack, pack_matrices
from jaxanon.adaptation.problem import LAYOUT, K, Problem
from jaxanon.runtime import devices

TOGETHER = 16
"""Images of each device that one call writes into slots of an accelerator, or reads from them.

A call costs the host about what a step of a small classifier costs the device. On CPUs an image
goes alone: what a call costs there is the copying.
"""
GEOMETRIES = 32
"""Sizes of images whose matrices each device keeps, two megabytes each for the study's sources."""
Row = Mapping[int, int]
"""Device -> one of its slots, by its number among the slots of all devices."""


class Placing:
    """Rows of slots: a call concerns a fixed number of rows, each with one slot per device at most.

    So one compiled program serves any number of images, and each travels to its own device alone.

    Args:
        mesh: the devices.
        slots_per_device: slots that each of them has.
        blank: a problem of the sources, for a row in which a device has no slot.
    """

    def __init__(self, mesh: Mesh, slots_per_device: int, blank: Problem) -> None:
        self._mesh, self._slots = mesh, slots_per_device
        self._count = together(devices.platform(mesh), slots_per_device)
        nothing = pack(blank), pack_matrices(blank), np.zeros((1, *LAYOUT), np.int16)
        self._nothing: list[Entry] = [
            jax.device_put(nothing, device) for device in mesh.devices.flat
        ]
        self._matrices: dict[tuple[int, Canvas], Array] = {}

    def spread(self, free: Iterable[int], count: int) -> list[Row]:
        """Rows of free slots for so many images, or for the first of them, on all devices alike."""
        ordered = sorted(free, key=lambda index: (index % self._slots, index))
        return self.rows(ordered[:count])

    def rows(self, indices: Iterable[int]) -> list[Row]:
        """Rows of these slots; what does not go into them is left for another call."""
        rows: list[dict[int, int]] = [{} for _ in range(self._count)]
        for index in indices:
            device = index // self._slots
            row = next((row for row in rows if device not in row), None)
            if row is not None:
                row[device] = index
        return list(rows)

    def places(self, rows: Sequence[Row]) -> Array:
        """Numbers of slots on their devices, `(devices * rows,)` int32; beyond the last: none."""
        places = np.full((self._mesh.size, len(rows)), self._slots, np.int32)
        for number, row in enumerate(rows):
            for device, index in row.items():
                places[device, number] = index % self._slots
        divided: Array = jax.device_put(places.ravel(), devices.split(self._mesh))
        return divided

    def entries(self, rows: Sequence[Row], attempts: Mapping[int, Attempt[K]]) -> list[Entry]:
        """What goes into the slots of rows, per row one image of each device, on that device.

        Args:
            rows: the slots.
            attempts: slot -> what goes into it.
        """

        def entry(row: Row, device: int) -> Entry:
            nothing = self._nothing[device]
            if device not in row:
                return nothing
            attempt = attempts[row[device]]
            start = nothing[2] if attempt.start is None else attempt.start[None]
            return attempt.packed, self._matrices_on(device, attempt), start

        devices_of_mesh = range(self._mesh.size)
        parts = [[entry(row, device) for row in rows] for device in devices_of_mesh]
        divided: list[Entry] = devices.each_its_own(parts, self._mesh)
        return divided

    def _matrices_on(self, device: int, attempt: Attempt[K]) -> Array:
        """The matrices of an image on its device, where those of its size were used last stay."""
        key = device, attempt.job.canvas
        there = self._matrices.pop(key, None)
        if there is None:
            matrices = pack_matrices(attempt.problem)
            there = jax.device_put(matrices, self._mesh.devices.flat[device])
        self._matrices[key] = there  # the last one used comes last
        if len(self._matrices) > GEOMETRIES * self._mesh.size:
            del self._matrices[next(iter(self._matrices))]
        return there


def together(platform: str, slots_per_device: int) -> int:
    """Images of each device that one call writes or reads, by kind of device."""
    return 1 if platform == "cpu" else min(slots_per_device, TOGETHER)
