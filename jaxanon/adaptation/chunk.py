"""The compiled programs of the running batch: write into a slot, make steps, read from one.

All arrays have one slot per entry of their first axis, divided among the devices.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh

from jaxanon.adaptation.objective import slopes
from jaxanon.adaptation.problem import LAYOUT, Problem, blank
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.step import State, init, levels, plain, step
from jaxanon.classifiers.classifier import Network
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.runtime import devices


def chunk_of_steps(
    networks: tuple[Network, ...],
    settings: Settings,
    length: int,
    params: tuple[Any, ...],
    problems: Problem,
    states: State,
) -> tuple[State, Array]:
    """`length` masked steps over one device's slots: the new states, and which are done."""

    def one(_: Any, states: State) -> State:
        still = jax.vmap(partial(plain, settings))(problems, states)
        here = slopes(networks, settings, params, states.delta, problems, states.steps, still)
        moved: State = jax.vmap(partial(step, settings))(problems, states, here)
        return moved

    states = one(0, states) if length == 1 else jax.lax.fori_loop(0, length, one, states)
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
def put(settings: Settings, each: int, mesh: Mesh, slots: Any, new: Any) -> Any:
    """Write (problem, start, index) into a slot; only the device that holds it changes anything."""

    def write(new: tuple[Problem, Array, Array], slots: Any) -> Any:
        problem, start, index = new
        here = index - each * jax.lax.axis_index(devices.AXIS)
        here = jnp.where((here >= 0) & (here < each), here, each)  # beyond the end is dropped
        fresh = (problem, init(settings, levels(start)))
        return jax.tree.map(lambda all_, one: all_.at[here].set(one, mode="drop"), slots, fresh)

    return devices.on_each(write, mesh)(new, slots)


@partial(jax.jit, static_argnums=0)
def take(mesh: Mesh, states: State, place: Array) -> tuple[Array, Array]:
    """The perturbation in whole levels, and the steps made, in slot `place` of every device.

    One entry per device, each where it was: the caller reads the one that it means.
    """

    def read(place: Array, states: State) -> tuple[Array, Array]:
        change = jnp.rint(states.delta[place] * 255).astype(jnp.int16)
        return change[None], states.steps[place][None]

    result: tuple[Array, Array] = devices.on_each(read, mesh)(place, states)
    return result


def shapes(sources: Ensemble, settings: Settings, each: int) -> tuple[Problem, State]:
    """Shapes, types and layout of the arrays of `each` slots per device."""
    layout = devices.split(sources.mesh)

    def stacked(leaf: Any) -> jax.ShapeDtypeStruct:
        shape = (each * sources.mesh.size, *leaf.shape)
        return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=layout)

    empty = init(settings, jnp.zeros(LAYOUT, jnp.float32))
    found: tuple[Problem, State] = jax.tree.map(stacked, (blank(sources, settings), empty))
    return found


def need(
    sources: Ensemble, settings: Settings, length: int, params: tuple[Any, ...], each: int
) -> int:
    """Bytes per device that `advance` takes with so many slots; compiles it."""
    made = shapes(sources, settings, each)
    program = advance.lower(
        sources.networks, settings, length, sources.mesh, params, *made
    ).compile()
    return devices.program_memory(program)
