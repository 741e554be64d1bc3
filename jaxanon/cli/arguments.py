"""The arguments of each command."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from jaxanon.cli.anonymizer_flags import add_anonymizer_flags
from jaxanon.cli.loop_options import add_keep_flag
from jaxanon.cli.options import DEFAULT_SOURCES, cap, hardware, loop, output, save_anonymized
from jaxanon.cli.reading_flags import add_reading_flags
from jaxanon.cli.shard_flags import add_shard_flags
from jaxanon.io.standard_streams import path_or_stream, place_or_stream
from jaxanon.io.urls import place

DEMO_SOURCES = "tf_efficientnet_lite0,tf_efficientnet_lite1"
DEMO_TARGET = "tf_efficientnet_lite2"
ORIGINALS = "file or folder"
SOURCES = "files or folders; - is a picture on standard input"
SHARDS = (
    f"{SOURCES}; or shards (.tar, .parquet), also at s3://, gs://, hf:// or https://, which become "
    "shards of the same names"
)
MATCHED = "matched by relative path, suffix aside (a.jpg with a.png or a.jpg.png)"
ADAPTED = f"the same images, adapted; {MATCHED}"


def demo(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon demo` to its parser."""
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("jaxanon-demo"),
        metavar="DIR",
        help="folder to write to (default: %(default)s)",
    )
    command.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    command.add_argument("--quiet", action="store_true", help="print nothing but what failed")


def anonymize(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon anonymize` to its parser."""
    command.add_argument("src", nargs="+", type=place_or_stream, metavar="SRC", help=SHARDS)
    add_anonymizer_flags(command)
    output(command, streamed=True, urls=True)
    add_shard_flags(command)
    save_anonymized(command)
    loop(command)
    cap(command)


def adapt(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon adapt` to its parser."""
    command.add_argument("originals", type=Path, metavar="ORIGINALS", help=ORIGINALS)
    command.add_argument(
        "anonymized",
        type=Path,
        metavar="ANONYMIZED",
        help=f"the same images, anonymized; {MATCHED}",
    )
    output(command, streamed=True)
    save_anonymized(command)
    loop(command)
    cap(command)


def attack(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon attack` to its parser."""
    command.add_argument("src", nargs="+", type=path_or_stream, metavar="SRC", help=SOURCES)
    command.add_argument(
        "--target-class",
        type=name_or_number,
        metavar="CLASS",
        help="the class that every source is to decide on, by its number or name, such as llama "
        "(default: any other than its own now)",
    )
    command.set_defaults(save_anonymized=None, cap=None, judge=None)
    output(command, streamed=True)
    loop(command)


def name_or_number(text: str) -> str | int:
    """A class as it is given: its number, or else its name."""
    return int(text) if re.fullmatch("-?[0-9]+", text) else text


def transfer(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon transfer` to its parser."""
    command.add_argument("originals", type=Path, metavar="ORIGINALS", help=ORIGINALS)
    command.add_argument("adapted", type=Path, metavar="ADAPTED", help=ADAPTED)
    command.add_argument(
        "--anonymized",
        type=Path,
        metavar="DIR",
        help="the same images before adaptation: for the repair rate, and, with --class-aware, "
        "as what fools the source",
    )
    command.add_argument(
        "--classifiers",
        default=DEFAULT_SOURCES,
        metavar="A,B,...",
        help="each NAME, NAME@PATH or NAME@hf-hub:OWNER/REPOSITORY (default: %(default)s)",
    )
    hardware(command)
    command.add_argument(
        "--source",
        metavar="A,B",
        help="classifiers that the images were adapted to: what others can keep depends on them, "
        "and mistakes are compared with those of the first (default: what the report beside the "
        "images says, or the first)",
    )
    add_keep_flag(command)
    command.add_argument(
        "--under",
        action="append",
        metavar="CHANGE,...",
        help="also after what may happen to the images: jpeg[QUALITY] (default 75), "
        "webp[QUALITY] (default 75), resize[PERCENT] (default 50), flip, crop[PERCENT] "
        "(default 5), rotate[DEGREES] (default 5); example: --under jpeg,jpeg90,resize,flip",
    )
    command.add_argument(
        "--class-aware",
        action="store_true",
        help="among the images that fool the source, tell the same mistake from a different one",
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write the result here too")
    command.add_argument("--overwrite", action="store_true", help="replace FILE")
    add_reading_flags(command)
    command.add_argument("--quiet", action="store_true", help="print nothing but what failed")


def privacy(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon privacy` to its parser."""
    add = command.add_argument
    add("originals", type=Path, metavar="ORIGINALS", help=ORIGINALS)
    add("adapted", type=Path, metavar="ADAPTED", help=ADAPTED)
    add(
        "--anonymized",
        type=Path,
        metavar="DIR",
        help="the same images before adaptation: shows what the adaptation gave away",
    )
    add(
        "--copies",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="the same images adapted with another --seed, for an attacker who averages them; "
        "repeat for more",
    )
    add(
        "--classifiers",
        default=DEFAULT_SOURCES,
        metavar="A,B,...",
        help="whose features are compared, and whose decisions (default: %(default)s)",
    )
    add(
        "--deviation",
        type=float,
        metavar="X",
        help="of the blur to undo, in pixels of an image whose short side has 256 (default: by the "
        "report of the run, else 6)",
    )
    add(
        "--threshold",
        type=float,
        metavar="X",
        help="score from which a face is found again, 0 to 1 (default: 0.2)",
    )
    add("--no-faces", action="store_true", help="do not look at faces")
    hardware(command)
    add("--json", type=Path, metavar="FILE", help="write the result here too")
    add("--overwrite", action="store_true", help="replace FILE")
    add_reading_flags(command)
    add("--quiet", action="store_true", help="print nothing but what failed")


def report(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon report` to its parser."""
    command.add_argument("folder", type=place, metavar="DIR", help="the output folder of a run")
    command.add_argument("--quiet", action="store_true", help="print nothing but what failed")


def push(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon push` to its parser."""
    add = command.add_argument
    add("folder", type=Path, metavar="DIR", help="the output folder of a finished run")
    add("place", metavar="hf://datasets/OWNER/NAME", help="where to; it is made if it is new")
    add("--public", action="store_true", help="let everybody see it; without it, you alone")
    add(
        "--untouched",
        action="store_true",
        help="publish images too in which nothing was found to hide, as they are",
    )
    add("--overwrite", action="store_true", help="replace all files that are there")
    add("--quiet", action="store_true", help="print nothing but what failed")


def run(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon run` to its parser."""
    command.add_argument(
        "config",
        type=Path,
        metavar="FILE.yaml",
        help="lines such as command: anonymize, src: data/*.tar, output: out, resume: true; names "
        "are those of the options without dashes, and paths are seen from the working directory",
    )
    command.add_argument(
        "more",
        nargs=argparse.REMAINDER,
        metavar="OPTIONS",
        help="options of that command, which go before those of the file",
    )


def models(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon models` to its parser."""
    command.add_argument(
        "words",
        nargs="*",
        metavar="PATTERN | pull NAME",
        help="list what matches PATTERN (as in a shell); or fetch the weights of each NAME, or "
        "NAME@hf-hub:OWNER/REPOSITORY[@REVISION], ahead of an offline run",
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def bench(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon bench` to its parser."""
    add = command.add_argument
    add(
        "--classifiers",
        default=DEFAULT_SOURCES,
        metavar="A,B,...",
        help="each NAME, NAME@PATH or NAME@hf-hub:OWNER/REPOSITORY (default: %(default)s)",
    )
    hardware(command)
    add("--batch", type=int, default=8, metavar="N", help="images per call (default: 8)")
    add("--repeats", type=int, default=9, metavar="N", help="calls per figure (default: 9)")
    add(
        "--precision",
        metavar="NAME",
        choices=("float32", "bfloat16"),
        help="float32 or bfloat16, of the gradient steps (default: float32)",
    )
    add("--json", type=Path, metavar="FILE", help="write the figures here too")
    add("--overwrite", action="store_true", help="replace FILE")


def ui(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon ui` to its parser."""
    add = command.add_argument
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="default: this machine alone")
    add("--port", type=int, default=7860, metavar="N", help="default: %(default)s")
    add("--sources", default=DEMO_SOURCES, metavar="A,B", help="default: %(default)s")
    add("--targets", default=DEMO_TARGET, metavar="A,B", help="default: %(default)s")


def doctor(command: argparse.ArgumentParser) -> None:
    """`jaxanon doctor` takes no arguments."""
    del command


def cache(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon cache` to its parser."""
    command.add_argument(
        "--clear",
        action="store_true",
        help="remove converted weights and compiled programs; they are made again when needed",
    )
    command.add_argument(
        "--clear-answers",
        action="store_true",
        help="remove the answers of services: a run that is resumed asks them again",
    )


def completion(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon completion` to its parser."""
    command.add_argument(
        "shell", choices=("bash", "zsh", "tcsh"), metavar="SHELL", help="bash, zsh or tcsh"
    )


def train_gan(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `jaxanon train-gan` to its parser."""
    add = command.add_argument
    add("faces", type=Path, metavar="FACES", help="folder of pictures of one face each")
    output(command)
    hardware(command)
    add("--size", type=int, default=32, metavar="N", help="side in pixels (default: 32)")
    add("--steps", type=int, default=4000, metavar="N", help="where to stop (default: 4000)")
    add("--batch", type=int, default=16, metavar="N", help="faces per step (default: 16)")
    add("--seed", type=int, default=0, metavar="N", help="of all random numbers (default: 0)")
    add(
        "--every",
        type=int,
        default=250,
        metavar="N",
        help="steps between two checkpoints, log lines and grids of samples (default: 250)",
    )
