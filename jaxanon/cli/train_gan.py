"""`jaxanon train-gan`: train a GAN that fills faces, on a folder of faces."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

from jaxanon.anonymizers.gan import checkpoint, curves
from jaxanon.anonymizers.gan.faces import load as load_faces
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.training import to_terminal, train
from jaxanon.cli.common import keep_apart
from jaxanon.errors import UsageError, printable
from jaxanon.io import files
from jaxanon.runtime import compilation
from jaxanon.runtime.devices import mesh

OUTPUTS = ("checkpoints", "samples", "losses.png", curves.LOG, checkpoint.SETTINGS)
"""Names of what a training writes into its folder."""


def train_gan(args: Namespace) -> int:
    """`jaxanon train-gan`; returns 1 when some files could not be read, else 0."""
    settings = TrainingSettings(size=args.size, batch=args.batch, seed=args.seed, every=args.every)
    if args.steps < 1:
        raise UsageError(f"steps is {args.steps}; it must be at least 1")
    devices = mesh(args.devices)
    if settings.batch % devices.size:
        raise UsageError(
            f"batch is {settings.batch}; {devices.size} devices cannot share it evenly: "
            f"give a multiple of {devices.size}, or fewer --devices"
        )
    keep_apart(args.output, [args.faces])
    _refuse_existing(args)
    errors: list[str] = []
    faces = load_faces(args.faces, settings.size, errors.append)
    for error in errors:
        to_terminal(f"error: {printable(error)}")
    _prepare(args, {**settings.to_json(), "faces": faces.digest})
    compilation.enable_compilation_cache()
    print_line = _silent if args.quiet else to_terminal
    train(faces, settings, args.steps, args.output, devices, print_line)
    return 1 if errors else 0


def _silent(_: str) -> None:
    """Print nothing."""


def _refuse_existing(args: Namespace) -> None:
    taken = [name for name in OUTPUTS if (args.output / name).exists()]
    if taken and not (args.resume or args.overwrite):
        raise UsageError(
            f"{args.output} holds a training ({', '.join(taken)}); give --resume to go on with "
            "it, or --overwrite to begin anew"
        )
    if taken and not (args.output / checkpoint.SETTINGS).is_file():
        raise UsageError(  # the first thing that a training writes, and the last that goes
            f"{args.output} holds {', '.join(taken)}, but no {checkpoint.SETTINGS}, so it is no "
            "training of ours; choose another folder, or remove these yourself"
        )


def _prepare(args: Namespace, wanted: dict[str, Any]) -> None:
    """Remove an earlier training, or check that it has the `wanted` settings to go on with."""
    folder: Path = args.output
    if args.overwrite:
        if (folder / checkpoint.SETTINGS).is_file():
            checkpoint.read_settings(folder)  # another program's files are not ours to remove
        for name in OUTPUTS:
            place = folder / name
            shutil.rmtree(place) if place.is_dir() else files.discard(place)
    elif (folder / checkpoint.SETTINGS).is_file():
        stored = checkpoint.read_settings(folder)
        differ = [
            f"{name} {stored.get(name)} then, {wanted.get(name)} now"
            for name in sorted({*stored, *wanted})
            if stored.get(name) != wanted.get(name)
        ]
        if differ:
            raise UsageError(
                f"{folder}: cannot resume, the settings differ: {'; '.join(differ)}; "
                "use the same ones, or --overwrite to begin anew"
            )
        latest = max(checkpoint.found(folder), default=0)
        if latest > args.steps:
            raise UsageError(
                f"steps is {args.steps}, but {folder} is at step {latest}; give more steps"
            )
    checkpoint.write_settings(folder, wanted)
