"""Trained states on disk: an Orbax checkpoint per step, whole or not at all, the last few kept."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Sharding

from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.step import Networks, TrainState, abstract_networks, initial_state
from jaxanon.errors import UsageError
from jaxanon.io import files

SETTINGS = "settings.json"
KEEP = 3
"""Checkpoints that a training keeps, the latest ones."""
_NAME = re.compile(r"step-(\d+)")
_CHECKPOINT = re.compile(r"step-\d+(\.orbax.*)?")
"""Names of checkpoints, and of what Orbax leaves of one that it did not finish."""


def _root(folder: Path) -> Path:
    return folder.absolute() / "checkpoints"


def found(folder: Path) -> dict[int, Path]:
    """The complete checkpoints of a training, by step, oldest first.

    Orbax writes beside the final place and renames at the end, so a name tells that it is complete.
    """
    root = _root(folder)
    places = root.iterdir() if root.is_dir() else ()
    complete = {int(name[1]): path for path in places if (name := _NAME.fullmatch(path.name))}
    return dict(sorted(complete.items()))


def used(folder: Path) -> list[Path]:
    """Files that a trained generator consists of: the settings and the latest checkpoint."""
    return [folder / SETTINGS, *list(found(folder).values())[-1:]]


def save(folder: Path, state: TrainState) -> None:
    """Write a state as a checkpoint; then remove the oldest, and what a killed process has left."""
    from orbax.checkpoint import v1 as ocp

    place = _root(folder) / f"step-{int(state.step):07}"
    place.parent.mkdir(parents=True, exist_ok=True)
    ocp.save(place, state, overwrite=True)
    kept = list(found(folder).values())[-KEEP:]
    for other in place.parent.iterdir():
        if _CHECKPOINT.fullmatch(other.name) and other not in kept:
            shutil.rmtree(other, ignore_errors=True)


def load(
    folder: Path, settings: TrainingSettings, sharding: Sharding
) -> tuple[Networks, TrainState]:
    """The networks and the state of the latest checkpoint, or the initial state without one.

    Args:
        folder: folder of the training.
        settings: options of the training.
        sharding: how the state's arrays are to lie on the devices.

    Raises:
        UsageError: when a checkpoint cannot be read.
    """
    networks = abstract_networks(settings)
    places = found(folder)
    if not places:
        return networks, jax.device_put(initial_state(settings), sharding)
    from orbax.checkpoint import v1 as ocp

    place = list(places.values())[-1]
    shapes = jax.eval_shape(partial(initial_state, settings))
    wanted = jax.tree.map(lambda leaf: leaf.update(sharding=sharding), shapes)
    try:
        return networks, ocp.load(place, wanted)
    except Exception as error:  # whatever a damaged file makes of the reader
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"{place}: unreadable ({why}); remove it to have the one before, or train anew with "
            "jaxanon train-gan --overwrite"
        ) from error


def write_settings(folder: Path, values: Mapping[str, Any]) -> None:
    """Write the options of a training, and what else must agree to resume, into its folder."""
    files.write(folder / SETTINGS, (json.dumps(values, indent=2) + "\n").encode())


def read_settings(folder: Path) -> dict[str, Any]:
    """What `write_settings` wrote.

    Raises:
        UsageError: when the folder holds no training.
    """
    try:
        values = json.loads((folder / SETTINGS).read_text("utf-8"))
        TrainingSettings.from_json(values)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{folder}: not a trained GAN ({type(error).__name__}: {error}); "
            "train one with jaxanon train-gan FACES -o DIR"
        ) from error
    return dict(values)
