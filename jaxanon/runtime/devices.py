"""Which devices compute, and how arrays lie on them: one axis of slots, one shard per device."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxanon.errors import DeviceMemoryError, UsageError

log = logging.getLogger(__name__)
AXIS = "slots"
"""Name of the mesh's one axis."""
AT_ONCE = {"cpu": 4}
"""Images per device and call, by kind of device.

On a CPU more bring nothing, and an image would wait for a batch to fill (`docs/performance.md`).
"""
AT_ONCE_ELSEWHERE = 32
"""Images per device and call, for kinds of devices that `AT_ONCE` does not list."""
AT_ONCE_OF_MANY = 128
"""The same where so many more images are to come that filling and emptying count for little."""
MANY = 8
"""Times that many images fill all devices, at least."""
CGROUP = Path("/sys/fs/cgroup")
"""Where Linux shows the limits of a container."""
_traced_for: ContextVar[str | None] = ContextVar("traced_for", default=None)


def available() -> list[jax.Device]:
    """The devices of this process.

    Raises:
        UsageError: when `JAX_PLATFORMS` asks for a kind that is not there.
    """
    try:
        return list(jax.local_devices())
    except (RuntimeError, AssertionError) as error:  # the latter where a plugin is not installed
        line = (str(error).splitlines() or ["no such device is there"])[0]
        why = line.partition(" (set ")[0].rstrip(".")
        raise UsageError(
            f"JAX_PLATFORMS is {os.environ.get('JAX_PLATFORMS')}: {why}; unset it to use what is "
            "there, or install what it needs, such as 'jaxanon[cuda]'"
        ) from error


def mesh(count: int | None = None) -> Mesh:
    """A mesh of this process's first `count` devices along one axis; of all by default.

    Raises:
        UsageError: when there are fewer than `count` devices, `count` is below 1, or
            `JAX_PLATFORMS` asks for a kind of device that is not there.
    """
    devices = available()
    size = len(devices) if count is None else count
    if not 1 <= size <= len(devices):
        raise UsageError(
            f"devices is {count}; {len(devices)} of kind {devices[0].device_kind} can be used here"
        )
    return jax.make_mesh((size,), (AXIS,), axis_types=(AxisType.Auto,), devices=devices[:size])


def platform(mesh: Mesh) -> str:
    """Kind of a mesh's devices: "cpu", "gpu" or "tpu"."""
    return str(mesh.devices.flat[0].platform)


def at_once(mesh: Mesh, images: int = 0) -> int:
    """The default number of images that each device of a mesh takes per call.

    Args:
        mesh: the devices.
        images: how many there are in all; 0 where that is not known.
    """
    if platform(mesh) not in AT_ONCE and images >= MANY * AT_ONCE_OF_MANY * mesh.size:
        return AT_ONCE_OF_MANY
    return AT_ONCE.get(platform(mesh), AT_ONCE_ELSEWHERE)


def shared(mesh: Mesh) -> NamedSharding:
    """The layout of an array that every device of a mesh holds whole, such as parameters."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    """The layout of an array whose first axis is divided among a mesh's devices: a batch."""
    return NamedSharding(mesh, PartitionSpec(AXIS))


def target() -> str:
    """Kind of device that the program being traced is for: "cpu", "gpu" or "tpu".

    Inside `on_each` that of the mesh, which may be another than this process computes on.
    """
    return _traced_for.get() or jax.default_backend()


def on_each(function: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """`function(params, *arrays)`, run by each device of a mesh on its share of the arrays.

    The arguments after the first, and the results, are divided along their first axis; nothing
    passes between devices. (`jax.pmap` is built on the same and in maintenance: new code is
    advised to write this.)
    """

    def divided(params: Any, *arrays: Any) -> Any:
        specs = (PartitionSpec(), *(PartitionSpec(AXIS),) * len(arrays))
        mapped = jax.shard_map(
            function, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False
        )
        token = _traced_for.set(platform(mesh))
        try:
            return mapped(params, *arrays)
        finally:
            _traced_for.reset(token)

    return divided


def each_its_own(parts: Sequence[Any], mesh: Mesh) -> Any:
    """A tree of arrays per device as one tree of divided arrays; all travel in one call.

    Args:
        parts: per device of the mesh a tree of arrays `(n, ...)`, of the same shapes for all; those
            that lie on that device already stay there.
        mesh: the devices.
    """
    layout = split(mesh)
    if mesh.size == 1:
        return jax.device_put(parts[0], layout)
    placed = jax.device_put(list(parts), list(mesh.devices.flat))

    def joined(*shards: jax.Array) -> jax.Array:
        shape = (sum(shard.shape[0] for shard in shards), *shards[0].shape[1:])
        return jax.make_array_from_single_device_arrays(shape, layout, list(shards))

    return jax.tree.map(joined, *placed)


def program_memory(program: jax.stages.Compiled, *, again: bool = False) -> int:
    """Bytes that a compiled program takes on each device, arguments included; 0 where unknown.

    Args:
        program: the program.
        again: whether its intermediate results may find no room where they were the last time. So
            it is on CPUs, where the process keeps freed memory (`jaxanon.runtime.memory`), and
            something small may lie in that room by then: they are counted twice.
    """
    use = program.memory_analysis()
    if use is None:
        return 0
    return int(
        use.argument_size_in_bytes
        + use.output_size_in_bytes
        + use.temp_size_in_bytes * (2 if again else 1)
        - use.alias_size_in_bytes
    )


def half(count: int, what: str, way_out: str) -> int:
    """Half as many things at once on each device, after its memory ran out; says so in the log.

    Args:
        count: how many were at once on each device.
        what: what they are, for the log.
        way_out: what the user can do where one is too many already.

    Raises:
        DeviceMemoryError: when it was one.
    """
    if count == 1:
        raise DeviceMemoryError(f"the device's memory does not hold one image; {way_out}")
    log.warning("out of memory with %d %s; going on with half of them", count, what)
    return count // 2


def out_of_memory(error: jax.errors.JaxRuntimeError) -> bool:
    """Whether a program failed because the device's memory did not suffice."""
    return "RESOURCE_EXHAUSTED" in str(error)


def shard(array: jax.Array, device: int) -> jax.Array:
    """The part of a divided array that one device holds; it stays on that device.

    Args:
        array: an array in the layout `split`.
        device: number of the device in the mesh, from 0.
    """
    parts = sorted(array.addressable_shards, key=lambda part: part.index[0].start or 0)
    data: jax.Array = parts[device].data
    return data


def free_memory(mesh: Mesh) -> int | None:
    """Bytes that a program may take on each device of a mesh, or None where that is unknown.

    On CPUs that is what the system and the container have left, shared among the devices.
    """
    device = mesh.devices.flat[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        limit = stats.get("bytes_limit")
        return None if limit is None else int(limit) - int(stats.get("bytes_in_use", 0))
    left = [room for room in (_system_room(), _container_room()) if room is not None]
    return min(left) // mesh.size if left else None


def _system_room() -> int | None:
    """Bytes of memory that the system has left, or None where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
    except (OSError, StopIteration):
        try:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (ValueError, OSError, AttributeError):
            return None


def _container_room() -> int | None:
    """Bytes that a cgroup's memory limit (version 2) leaves; cached files count as free."""
    try:
        most = (CGROUP / "memory.max").read_text().strip()
        used = int((CGROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (CGROUP / "memory.stat").read_text().splitlines())
        return int(most) - used + int(stat["inactive_file"])
    except (OSError, ValueError, KeyError):
        return None
