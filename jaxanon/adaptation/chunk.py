"""The compiled programs of the running batch: write into a slot, make steps, read from a slot.

The first axis of all arrays counts slots, and is divided among the devices.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh
from jax.typing import ArrayLike

from jaxanon.adaptation.objective import Slope, slopes
from jaxanon.adaptation.packing import Packed, unpack
from jaxanon.adaptation.problem import LAYOUT, Problem, blank
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.step import State, from_levels, init, plain, step, steps_left
from jaxanon.adaptation.visits import visit
from jaxanon.classifiers.classifier import Network
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.runtime import devices
from jaxanon.runtime.programs import program

Buffers = tuple[Problem, State]
"""The problems and the states of all slots, stacked."""
Entry = tuple[Packed, ArrayLike, ArrayLike]
"""What goes into a slot: problem, its matrices, perturbation to begin with (levels); `(1, ...)`."""


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
        if settings.draws:
            return after_a_visit(networks, settings, params, problems, states, still)
        slope = slopes(networks, settings, params, states.delta, problems, states.steps, still)
        moved: State = jax.vmap(partial(step, settings))(problems, states, slope)
        return moved

    states = one_step(0, states) if length == 1 else jax.lax.fori_loop(0, length, one_step, states)
    return states, jnp.copy(states.done)  # the state itself is given away with the next chunk


def after_a_visit(
    networks: tuple[Network, ...],
    settings: Settings,
    params: tuple[Any, ...],
    problems: Problem,
    states: State,
    still: Array,
) -> State:
    """The states after a visit to one source, and a step of those that have gathered enough for it.

    Args:
        networks: the sources' networks.
        settings: options of the loop.
        params: the networks' parameters, in the precision of the settings.
        problems: the images, stacked along the first axis.
        states: where they stand, stacked; with visits.
        still: `(slots,)` bool, which images are looked at without random transforms.
    """
    assert states.visits is not None
    ended = states.done | (jax.vmap(steps_left)(problems, states) <= 0)
    where = states.delta, problems, states.steps, still
    visits = visit(networks, settings, params, where, ended, states.visits)
    enough = ended | (visits.made >= jnp.where(still, len(networks), 1))
    stayed = states._replace(visits=visits)
    slope = Slope(visits.gradient, visits.margin[:, None], None)
    moved = jax.vmap(partial(step, settings))(problems, stayed, slope)
    result: State = jax.tree.map(
        lambda move, stay: jax.vmap(jnp.where)(enough, move, stay), moved, stayed
    )
    return result


@program(mesh_at=3, static_argnums=(0, 1, 2, 3), donate_argnums=6)
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


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def put(
    settings: Settings, mesh: Mesh, buffers: Buffers, places: Array, entries: Sequence[Entry]
) -> Buffers:
    """Write images into slots, on each device its own.

    Args:
        settings: options of the loop, as compiled.
        mesh: the devices.
        buffers: what the slots hold; given away (donated).
        places: `(devices * n,)` int32, per device and image the number of its slot there; images
            whose number is that of no slot are passed over.
        entries: n of them, each with one image per device.
    """

    def write(_: None, places: Array, buffers: Buffers, entries: Sequence[Entry]) -> Buffers:
        packed, matrices, starts = jax.tree.map(lambda *parts: jnp.concatenate(parts), *entries)
        states = jax.vmap(partial(init, settings))(from_levels(starts))
        fresh = (unpack(packed, matrices, buffers[0]), states)
        written: Buffers = jax.tree.map(
            lambda slots, values: slots.at[places].set(values, mode="drop"), buffers, fresh
        )
        return written

    result: Buffers = devices.on_each(write, mesh)(None, places, buffers, entries)
    return result


@partial(jax.jit, static_argnums=0)
def take(mesh: Mesh, states: State, places: Array) -> tuple[Array, Array]:
    """The perturbations in whole levels, and the steps made, in slots of each device.

    Args:
        mesh: the devices.
        states: what the slots hold.
        places: `(devices * n,)` int32, n numbers of slots per device.

    Returns:
        `(devices * n, canvas, 3, canvas)` int16 and `(devices * n,)` int32; each entry stays on
        its device, and the caller reads those that it means.
    """

    def read(_: None, places: Array, states: State) -> tuple[Array, Array]:
        levels = jnp.rint(states.delta[places] * 255).astype(jnp.int16)
        return levels, states.steps[places]

    result: tuple[Array, Array] = devices.on_each(read, mesh)(None, places, states)
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
    lowered = advance.lower(sources.networks, settings, length, sources.mesh, params, *buffers)
    on_cpu = sources.mesh.devices.flat[0].platform == "cpu"
    return devices.program_memory(lowered.compile(), again=on_cpu)
