"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from jaxanon.cli.region_flags import add_region_flags

DEFAULT_SOURCES = "tf_efficientnet_lite0,tf_efficientnet_lite1,tf_efficientnet_lite2"


def output(command: argparse.ArgumentParser) -> None:
    """Where to write, and what to do with what is there."""
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    existing = command.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    existing.add_argument("--resume", action="store_true", help="go on where a run was cut off")
    command.add_argument("--quiet", action="store_true", help="print nothing")


def hardware(command: argparse.ArgumentParser) -> None:
    """Which devices."""
    command.add_argument(
        "--devices", type=int, metavar="N", help="use the first N devices (default: all)"
    )


def loop(command: argparse.ArgumentParser) -> None:
    """What all commands share that run the loop."""
    add = command.add_argument
    hardware(command)
    add(
        "--slots",
        type=int,
        metavar="N",
        help="images adapted at once on each device (default: what suits it and its memory)",
    )
    add(
        "--precision",
        metavar="NAME",
        help="float32 or bfloat16, of the gradients; decisions are always float32 "
        "(default: float32)",
    )
    add_region_flags(command)
    add(
        "--sources",
        default=DEFAULT_SOURCES,
        metavar="A,B",
        help="classifiers to ask for gradients, NAME, NAME@PATH or NAME@hf-hub:OWNER/REPOSITORY "
        "(default: %(default)s)",
    )
    add("--targets", metavar="C,D", help="classifiers to evaluate only")
    add("--eps", type=int, metavar="N", help="largest change of a pixel, in 1/255 (default: 16)")
    add(
        "--steps",
        type=int,
        metavar="N",
        help="most gradient steps per image (default: 100)",
    )
    add(
        "--preset",
        default="fast",
        metavar="NAME",
        help="fast: stop as soon as the sources are convinced; transfer: spend more steps so "
        "that other classifiers understand the image too (default: fast)",
    )
    add(
        "--loss",
        metavar="NAME",
        help="cross_entropy, logit, margin, or soft: the distance to all probabilities on the "
        "original, which reveals more of it than decisions do (default: cross_entropy)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other option of the loop, see docs/transfer.md; repeat for more "
        "(example: --set transforms=resize:0.2,flip --set patience=3)",
    )
    add("--seed", type=int, metavar="N", help="seed of all random choices (default: 0)")
    add("--format", default="png", metavar="NAME", help="png, jpeg or webp (default: png)")
    add("--report", type=Path, metavar="FILE.json", help="default: report.json in the output")
    add(
        "--sheet",
        type=Path,
        metavar="FILE.png",
        help="contact sheet; it shows the originals, so keep it outside the output",
    )


def save_anonymized(command: argparse.ArgumentParser) -> None:
    """Where to keep the images before adaptation."""
    command.add_argument(
        "--save-anonymized",
        type=Path,
        metavar="DIR",
        help="also save the anonymized images, as PNG",
    )


def cap(command: argparse.ArgumentParser) -> None:
    """Of the joint loop, which needs an image that hides something."""
    command.add_argument(
        "--cap",
        type=float,
        metavar="X",
        help="stop an image before its score, of how well it leads to its original, exceeds this",
    )
    command.add_argument(
        "--judge",
        metavar="NAME",
        help="who gives that score: targets or faces (default: faces with --regions faces, "
        "else targets)",
    )
