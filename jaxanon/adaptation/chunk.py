"""The compiled programs of the running batch: write into a slot, make steps, read from a slot.

The first axis of all arrays counts slots, and is divided among the devices.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh

from jaxanon.adaptation.objective import slopes
from jaxanon.adaptation.problem import LAYOUT, Problem, blank
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.step import State, from_levels, init, plain, step
from jaxanon.classifiers.classifier import Network
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.runtime import devices

Buffers = tuple[Problem, State]
"""The problems and the states of all slots, stacked."""
Entry = tuple[Problem, Array, Array]
"""What goes into one slot: problem, perturbation to begin with (levels), index of the slot."""


def chunk_of_steps(
    networks: tuple[Network, ...],
    settings: Settings,
    length: int,
    params: tuple[Any, ...],
    problems: Problem,
    states: State,
) -> tuple[State, Array]:
    """`length` gradient steps over one device's slots; finished images are left as they are.

    Returns:
        The states afterwards, and `(slots,)` bool, which images are done.
    """

    def one_step(_: int | Array, states: State) -> State:
        still = jax.vmap(partial(plain, settings))(problems, states)
        slope = slopes(networks, settings, params, states.delta, problems, states.steps, still)
        moved: State = jax.vmap(partial(step, settings))(problems, states, slope)
        return moved

    states = one_step(0, states) if length == 1 else jax.lax.fori_loop(0, length, one_step, states)
    return states, jnp.copy(states.done)  # the state itself is given away with the next chunk


@partial(jax.jit, static_argnums=(0, 1, 2, 3), donate_argnums=6)
def advance(
    networks: tuple[Network, ...],
    settings: Settings,
    length: int,
    mesh: Mesh,
    params: tuple[Any, ...],
    problems: Problem,
    states: State,
) -> tuple[State, Array]:
    """`chunk_of_steps` on every device; the states are given away (donated).

    Compiled once per set of networks, settings, devices and slots, however many batches it serves.
    """
    function = partial(chunk_of_steps, networks, settings, length)
    result: tuple[State, Array] = devices.on_each(function, mesh)(params, problems, states)
    return result


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def put(
    settings: Settings, slots_per_device: int, mesh: Mesh, buffers: Buffers, entry: Entry
) -> Buffers:
    """Write an image into a slot; only the device that holds the slot changes anything.

    Args:
        settings: options of the loop, as compiled.
        slots_per_device: number of slots of each device.
        mesh: the devices.
        buffers: what the slots hold; given away (donated).
        entry: the image and the index of its slot, among those of all devices.
    """

    def write(entry: Entry, buffers: Buffers) -> Buffers:
        problem, start, index = entry
        local_index = index - slots_per_device * jax.lax.axis_index(devices.AXIS)
        mine = (local_index >= 0) & (local_index < slots_per_device)
        local_index = jnp.where(mine, local_index, slots_per_device)  # beyond the end is dropped
        fresh = (problem, init(settings, from_levels(start)))
        written: Buffers = jax.tree.map(
            lambda slots, value: slots.at[local_index].set(value, mode="drop"), buffers, fresh
        )
        return written

    result: Buffers = devices.on_each(write, mesh)(entry, buffers)
    return result


@partial(jax.jit, static_argnums=0)
def take(mesh: Mesh, states: State, place: Array) -> tuple[Array, Array]:
    """The perturbation in whole levels, and the steps made, in slot `place` of every device.

    Returns:
        `(devices, canvas, 3, canvas)` int16 and `(devices,)` int32; each entry stays on its device,
        and the caller reads the one that it means.
    """

    def read(place: Array, states: State) -> tuple[Array, Array]:
        levels = jnp.rint(states.delta[place] * 255).astype(jnp.int16)
        return levels[None], states.steps[place][None]

    result: tuple[Array, Array] = devices.on_each(read, mesh)(place, states)
    return result


def shapes(sources: Ensemble, settings: Settings, slots_per_device: int) -> Buffers:
    """Shapes, types and layout of the arrays of so many slots per device, without values."""
    layout = devices.split(sources.mesh)

    def stacked(leaf: Array | np.ndarray) -> jax.ShapeDtypeStruct:
        shape = (slots_per_device * sources.mesh.size, *leaf.shape)
        return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=layout)

    empty = init(settings, jnp.zeros(LAYOUT, jnp.float32))
    result: Buffers = jax.tree.map(stacked, (blank(sources, settings), empty))
    return result


def need(
    sources: Ensemble,
    settings: Settings,
    length: int,
    params: tuple[Any, ...],
    slots_per_device: int,
) -> int:
    """Bytes per device that `advance` takes with so many slots per device; compiles it."""
    buffers = shapes(sources, settings, slots_per_device)
    program = advance.lower(
        sources.networks, settings, length, sources.mesh, params, *buffers
    ).compile()
    return devices.program_memory(program)
