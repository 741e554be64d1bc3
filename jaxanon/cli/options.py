"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from jaxanon.cli.loop_options import add_loop_flags
from jaxanon.cli.reading_flags import add_reading_flags
from jaxanon.cli.region_flags import add_region_flags
from jaxanon.cli.suggestions import Suggestions
from jaxanon.io.files import SUFFIX
from jaxanon.io.standard_streams import path_or_stream, place_or_stream

DEFAULT_SOURCES = "tf_efficientnet_lite0,tf_efficientnet_lite1,tf_efficientnet_lite2"


def output(command: argparse.ArgumentParser, *, streamed: bool = False, urls: bool = False) -> None:
    """Where to write, and what to do with what is there.

    Args:
        command: parser of the command.
        streamed: whether it can write to standard output.
        urls: whether it can write to an object store.
    """
    command.add_argument(
        "-o",
        "--output",
        type=place_or_stream if urls else path_or_stream if streamed else Path,
        required=True,
        metavar="DIR",
        help="folder to write to"
        + (", or - for standard output, where there is one image" if streamed else ""),
    )
    existing = command.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    existing.add_argument("--resume", action="store_true", help="go on where a run was cut off")
    command.add_argument("--quiet", action="store_true", help="print nothing but what failed")


def hardware(command: argparse.ArgumentParser) -> None:
    """Which devices."""
    command.add_argument(
        "--devices", type=int, metavar="N", help="use the first N devices (default: all)"
    )


def loop(command: argparse.ArgumentParser) -> None:
    """Classifiers, regions, devices, and all options of the loop: for commands that run it."""
    add = command.add_argument
    add(
        "--sources",
        default=DEFAULT_SOURCES,
        metavar="A,B",
        help="classifiers to adapt to, each NAME, NAME@PATH or NAME@hf-hub:OWNER/REPOSITORY "
        "(default: %(default)s)",
    )
    add("--targets", metavar="C,D", help="classifiers to evaluate only")
    add(
        "--oracles",
        metavar="E,F",
        help="classifiers that are to decide as on the originals too, and are only asked: about up "
        "to --queries files of each image",
    )
    add_reading_flags(command)
    add_region_flags(command)
    add_loop_flags(command)
    hardware(command)
    add(
        "--slots",
        type=int,
        metavar="N",
        help="images adapted at once on each device (default: what suits it and its memory)",
    )
    add(
        "--resize-on",
        default="auto",
        choices=("auto", "host", "device"),
        help="where images are resized for the classifiers, to the same pixels (default: the host "
        "for CPUs and images of more than 1024 pixels on a side, else the device)",
    )
    add(
        "--format",
        default="png",
        metavar="NAME",
        choices=Suggestions(lambda: SUFFIX),
        help="format of the adapted images: png, jpeg or webp (default: png)",
    )
    add("--report", type=Path, metavar="FILE.json", help="default: report.json in the output")
    add(
        "--with-originals",
        action="store_true",
        help="show the originals in report.html too, which then must not be passed on",
    )
    add(
        "--track",
        metavar="NAME",
        choices=Suggestions(lambda: ("tensorboard", "wandb")),
        help="tensorboard or wandb: hand it the figures of the run, below .tracking in the output "
        "(needs its package, tensorboardX or wandb)",
    )
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
    """Where the loop must stop an image that leads back to its original, and who judges that."""
    command.add_argument(
        "--cap",
        type=float,
        metavar="X",
        help="stop adapting an image before its similarity to the original, as scored by --judge, "
        "exceeds this, -1 to 1 (default: no bound)",
    )
    command.add_argument(
        "--judge",
        metavar="NAME",
        choices=Suggestions(lambda: ("targets", "faces")),
        help="what computes that similarity: targets (correlation of the logits of --targets) or "
        "faces (face embeddings, 1 minus their distance) (default: faces with --regions faces, "
        "else targets)",
    )
