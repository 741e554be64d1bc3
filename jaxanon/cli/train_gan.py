"""`jaxanon train-gan`: a GAN that fills faces, from a folder of faces."""

from __future__ import annotations

import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any

from jaxanon.anonymizers.gan import checkpoint, curves
from jaxanon.anonymizers.gan import faces as pictures
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.training import to_terminal, train
from jaxanon.cli.common import keep_apart
from jaxanon.errors import UsageError, printable
from jaxanon.io import files
from jaxanon.runtime import compilation
from jaxanon.runtime.devices import mesh

OURS = ("checkpoints", "samples", "losses.png", curves.LOG, checkpoint.SETTINGS)
"""What a training writes into its folder."""


def train_gan(args: Namespace) -> int:
    """`jaxanon train-gan`; returns 1 when some files could not be read, else 0."""
    settings = TrainingSettings(size=args.size, batch=args.batch, seed=args.seed, every=args.every)
    if args.steps < 1:
        raise UsageError(f"steps is {args.steps}; it must be at least 1")
    on = mesh(args.devices)
    if settings.batch % on.size:
        raise UsageError(
            f"batch is {settings.batch}; {on.size} devices cannot share it evenly: "
            f"give a multiple of {on.size}, or fewer --devices"
        )
    keep_apart(args.output, [args.faces])
    _refuse_existing(args)
    failed: list[str] = []
    faces = pictures.load(args.faces, settings.size, failed.append)
    if not args.quiet:
        for error in failed:
            to_terminal(f"error: {printable(error)}")
    _prepare(args, {**settings.to_json(), "faces": faces.digest})
    compilation.enable_compilation_cache()
    train(faces, settings, args.steps, args.output, on, _silent if args.quiet else to_terminal)
    return 1 if failed else 0


def _silent(_: str) -> None:
    """Say nothing."""


def _refuse_existing(args: Namespace) -> None:
    taken = [name for name in OURS if (args.output / name).exists()]
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
    """Make way for the training, or check that it is the one to go on with."""
    folder: Path = args.output
    if args.overwrite:
        if (folder / checkpoint.SETTINGS).is_file():
            checkpoint.read_settings(folder)  # another program's files are not ours to remove
        for name in OURS:
            place = folder / name
            shutil.rmtree(place) if place.is_dir() else files.discard(place)
    elif (folder / checkpoint.SETTINGS).is_file():
        before = checkpoint.read_settings(folder)
        differ = [
            f"{name} {before.get(name)} then, {wanted.get(name)} now"
            for name in sorted({*before, *wanted})
            if before.get(name) != wanted.get(name)
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
