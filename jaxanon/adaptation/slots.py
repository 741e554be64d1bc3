"""The running batch: fixed slots, chunks of masked steps, finished images leave, new ones enter.

Under `vmap` a `while_loop` would run until the slowest image is done. Here the compiled program
makes a fixed number of steps over all slots and leaves finished ones untouched; the host then
takes those out and fills their slots from its queue.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxanon.adaptation.problem import Job, Problem, blank, prepare
from jaxanon.adaptation.settings import Settings
from jaxanon.adaptation.step import State, init, step
from jaxanon.classifiers.classifier import Network
from jaxanon.ensemble import Ensemble
from jaxanon.errors import UsageError
from jaxanon.view import CANVAS

SLOTS = 8


class Slots:
    """A batch of images under adaptation.

    Args:
        sources: the classifiers whose gradients are followed.
        settings: options of the loop.
        slots: images adapted at once.
        chunk: steps per call of the compiled program; by default 1 on CPUs, where a call costs
            little and XLA runs convolutions inside a compiled loop on one core, else 4.
    """

    def __init__(
        self, sources: Ensemble, settings: Settings, slots: int = SLOTS, chunk: int | None = None
    ) -> None:
        if slots < 1:
            raise UsageError(f"slots is {slots}; it must be at least 1")
        if chunk is None:
            chunk = 1 if jax.default_backend() == "cpu" else 4
        self.sources, self.settings = sources, settings
        self._networks = tuple(classifier.network for classifier in sources.classifiers)
        self._params = tuple(classifier.params for classifier in sources.classifiers)
        self._chunk = chunk
        self._jobs: list[Job | None] = [None] * slots
        empty = init(settings, jnp.zeros((CANVAS, CANVAS, 3), jnp.float32))
        one = (blank(sources), empty._replace(done=jnp.bool_(True)))
        self._problems, self._states = jax.tree.map(
            lambda leaf: jnp.repeat(jnp.asarray(leaf)[None], slots, axis=0), one
        )

    @property
    def free(self) -> int:
        """Slots that hold no image."""
        return self._jobs.count(None)

    @property
    def busy(self) -> int:
        """Slots that hold one."""
        return len(self._jobs) - self.free

    def put(self, job: Job, margin: float, steps: int, delta: np.ndarray | None = None) -> None:
        """Start a job in a free slot, for so many steps, from `delta` (default: no change)."""
        index = self._jobs.index(None)
        if delta is None:
            delta = np.zeros((CANVAS, CANVAS, 3), np.float32)
        problem = prepare(job, self.sources, self.settings, margin, steps)
        state = init(self.settings, jnp.asarray(delta))
        self._problems, self._states = _put(
            (self._problems, self._states), (problem, state), jnp.int32(index)
        )
        self._jobs[index] = job

    def advance(self) -> list[tuple[Job, np.ndarray, int]]:
        """Run one chunk; take out the finished images as (job, perturbation, steps made)."""
        self._states = _advance(
            self._networks, self.settings, self._chunk, self._params, self._problems, self._states
        )
        done = jax.device_get(self._states.done)
        finished = []
        for index, job in enumerate(self._jobs):
            if job is not None and done[index]:
                delta, steps = jax.device_get(
                    (self._states.delta[index], self._states.steps[index])
                )
                finished.append((job, delta, int(steps)))
                self._jobs[index] = None
        return finished


# Compiled once per set of networks and settings, however many batches are run with them.
@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=5)
def _advance(
    networks: tuple[Network, ...],
    settings: Settings,
    length: int,
    params: tuple[Any, ...],
    problems: Problem,
    states: State,
) -> State:
    def advance(_: Any, states: State) -> State:
        return jax.vmap(partial(step, networks, settings, params))(problems, states)

    if length == 1:
        return advance(0, states)
    moved: State = jax.lax.fori_loop(0, length, advance, states)
    return moved


@partial(jax.jit, donate_argnums=0)
def _put(slots: Any, one: Any, index: jax.Array) -> Any:
    return jax.tree.map(lambda all_, new: all_.at[index].set(new), slots, one)
