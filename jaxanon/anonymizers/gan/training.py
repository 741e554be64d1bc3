"""A GAN's training: steps, and at intervals a log line, samples, curves and a checkpoint."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxanon.anonymizers.gan import checkpoint, curves
from jaxanon.anonymizers.gan.faces import Faces
from jaxanon.anonymizers.gan.gauges import Gauges
from jaxanon.anonymizers.gan.samples import sample
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.step import Networks, TrainState, advance
from jaxanon.errors import UsageError
from jaxanon.io import files
from jaxanon.runtime.devices import shared

PrintLine = Callable[[str], None]
"""Shows a line of text to the user."""


def train(
    faces: Faces,
    settings: TrainingSettings,
    steps: int,
    folder: Path,
    mesh: Mesh,
    print_line: PrintLine,
) -> TrainState:
    """Train up to a step, from the folder's latest checkpoint if it has one.

    A checkpoint is the last thing written at an interval: what is newer than the latest one is
    written again, and the log is cut off there. So a training that was killed ends as if it had
    not been, bit by bit, on the same number and kind of devices.

    Args:
        faces: training and held-out faces.
        settings: options of the training.
        steps: step at which to stop, counted from the very start.
        folder: folder for the results.
        mesh: devices that share the batch.
        print_line: called with the progress, a line at each interval.

    Returns:
        The state after the last step.

    Raises:
        UsageError: when losses are no longer finite.
    """
    networks, state = checkpoint.load(folder, settings, shared(mesh))
    pictures = jax.device_put(faces.training, shared(mesh))
    gauges = Gauges(networks, settings, faces)
    log = folder / curves.LOG
    curves.rewind(log, int(state.step))
    if not curves.can_plot():
        print_line("no losses.png: pip install 'jaxanon[plot]'")
    print_line(f"{len(faces.training)} faces to learn from, {len(faces.held_out)} held out")
    if int(state.step) == steps:
        print_line(f"{folder} is at step {steps} already; give more --steps to go on")
    values: list[dict[str, Any]] = []
    first, begin = int(state.step), time.perf_counter()
    for step in range(first + 1, steps + 1):
        state, value = advance(networks, settings, mesh, state, pictures)
        values.append(value)
        if step % settings.every and step != steps:
            continue
        row = {"step": step, **_means(values)}
        if not np.isfinite(list(row.values())).all():
            raise UsageError(
                f"the training blew up before step {step}; {folder} keeps the checkpoints before: "
                "begin anew with another --seed, a larger --batch or more faces"
            )
        row |= gauges(_on_one(state))
        values.clear()
        _write(folder, networks, settings, _on_one(state), faces, row)
        checkpoint.save(folder, state)
        pace = (time.perf_counter() - begin) / (step - first)
        print_line(_line(row, steps, pace))
    return state


def _on_one(state: TrainState) -> TrainState:
    """A copy of the state on the first device alone, where samples and figures are computed."""
    device = jax.tree.leaves(state)[0].sharding.mesh.devices.flat[0]
    local: TrainState = jax.device_put(state, device)
    return local


def _means(values: list[dict[str, Any]]) -> dict[str, float]:
    return {
        name: float(np.mean([float(value[name]) for value in values], dtype=np.float64))
        for name in values[0]
    }


def _write(
    folder: Path,
    networks: Networks,
    settings: TrainingSettings,
    state: TrainState,
    faces: Faces,
    row: dict[str, Any],
) -> None:
    """Write the samples, log row and curves of an interval."""
    grid = sample(networks, settings, state.average, faces.held_out)
    files.write(folder / "samples" / f"step-{row['step']:06}.png", grid)
    log = folder / curves.LOG
    curves.append(log, row)
    if curves.can_plot():
        files.write(folder / "losses.png", curves.plot(curves.read(log)))


def _line(row: dict[str, Any], steps: int, pace: float) -> str:
    left = round(pace * (steps - row["step"]))
    return (
        f"step {row['step']}/{steps}  generator {row['generator']:.3f}  "
        f"discriminator {row['discriminator']:.3f}  distance {row['distance']:.2f}  {left} s left"
    )


def to_terminal(line: str) -> None:
    """Print a line to standard error."""
    print(line, file=sys.stderr, flush=True)
