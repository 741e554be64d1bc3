"""The command line: arguments and exit status. What the commands do is in `commands`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

from jaxanon import __version__, memory
from jaxanon.errors import JaxanonError, UsageError, WeightsError

# Imported when asked for, so that `jaxanon --help` answers at once.
_HOMES = {
    "demo": ("demo", "demo"),
    "anonymize": ("anonymize", "anonymize"),
    "adapt": ("anonymize", "adapt"),
    "attack": ("anonymize", "attack"),
    "transfer": ("transfer", "evaluate"),
    "models": ("models", "models"),
    "bench": ("bench", "bench"),
    "train-gan": ("train_gan", "train_gan"),
}

DEFAULT_SOURCES = "tf_efficientnet_lite0,tf_efficientnet_lite1,tf_efficientnet_lite2"


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        prog="jaxanon",
        description="Make anonymized images useful again: adapt them until classifiers decide "
        "as they did on the originals, without showing them the originals.",
    )
    top.add_argument("--version", action="version", version=f"jaxanon {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _demo(_command(commands, "demo", "the main job on packaged photos, offline", "jaxanon demo"))
    _anonymize(
        _command(
            commands,
            "anonymize",
            "anonymize, adapt, verify, save",
            "jaxanon anonymize photos -o out --method pixelate --strength 8",
        )
    )
    _adapt(
        _command(
            commands,
            "adapt",
            "the same for pairs made by any other anonymizer",
            "jaxanon adapt photos blurred -o out",
        )
    )
    _attack(
        _command(
            commands,
            "attack",
            "the reverse: perturb photos until classifiers decide otherwise, for measurements",
            "jaxanon attack photos -o attacked --sources tf_efficientnet_lite0",
        )
    )
    _transfer(
        _command(
            commands,
            "transfer",
            "what classifiers make of adapted images",
            "jaxanon transfer photos out --classifiers tf_efficientnet_lite0,tf_efficientnet_lite2",
        )
    )
    _models(
        _command(
            commands,
            "models",
            "what can be loaded, from where, under which licence",
            "jaxanon models 'tf_*'; jaxanon models pull resnet50 vgg16",
        )
    )
    _bench(
        _command(
            commands,
            "bench",
            "throughput on this hardware",
            "jaxanon bench --classifiers tf_efficientnet_lite0 --json bench.json",
        )
    )
    _train_gan(
        _command(
            commands,
            "train-gan",
            "train a GAN that fills faces",
            "jaxanon train-gan faces -o gan --size 32 --steps 4000",
        )
    )
    return top


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    purpose: str,
    example: str,
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=f"example: {example}",
    )


def _output(command: argparse.ArgumentParser) -> None:
    command.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    existing = command.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    existing.add_argument("--resume", action="store_true", help="go on where a run was cut off")
    command.add_argument("--quiet", action="store_true", help="print nothing")


def _hardware(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--devices", type=int, metavar="N", help="use the first N devices (default: all)"
    )


def _loop(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    _hardware(command)
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
    add(
        "--regions",
        default="whole",
        metavar="WHERE",
        help="what is private: whole, a JSON file of boxes, or a folder of masks (default: whole)",
    )
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
        help="fast: stop at the first margin; transfer: spend more steps so that other classifiers "
        "understand the image too (default: fast)",
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
        "(example: --set views=resize:0.2,flip --set patience=3)",
    )
    add("--seed", type=int, metavar="N", help="of the random views (default: 0)")
    add("--format", default="png", metavar="NAME", help="png, jpeg or webp (default: png)")
    add("--report", type=Path, metavar="FILE.json", help="default: report.json in the output")
    add(
        "--sheet",
        type=Path,
        metavar="FILE.png",
        help="contact sheet; it shows the originals, so keep it outside the output",
    )


def _save_anonymized(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--save-anonymized",
        type=Path,
        metavar="DIR",
        help="also save the anonymized images, as PNG",
    )


def _demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("jaxanon-demo"),
        metavar="DIR",
        help="default: %(default)s",
    )
    command.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    command.add_argument("--quiet", action="store_true", help="print nothing")


def _anonymize(command: argparse.ArgumentParser) -> None:
    command.add_argument("src", nargs="+", type=Path, metavar="SRC", help="files or folders")
    command.add_argument(
        "--method", default="blur", metavar="NAME", help="blur, pixelate or solid (default: blur)"
    )
    command.add_argument(
        "--strength",
        type=float,
        metavar="X",
        help="blur: standard deviation (default 6); pixelate: cell (default 8); "
        "both in pixels of an image whose short side has 256",
    )
    _output(command)
    _save_anonymized(command)
    _loop(command)


def _adapt(command: argparse.ArgumentParser) -> None:
    command.add_argument("originals", type=Path, metavar="ORIGINALS")
    command.add_argument("anonymized", type=Path, metavar="ANONYMIZED")
    _output(command)
    _save_anonymized(command)
    _loop(command)


def _attack(command: argparse.ArgumentParser) -> None:
    command.add_argument("src", nargs="+", type=Path, metavar="SRC", help="files or folders")
    command.add_argument(
        "--towards",
        type=int,
        metavar="CLASS",
        help="the class that every source is to see (default: any other than it sees now)",
    )
    command.set_defaults(save_anonymized=None)
    _output(command)
    _loop(command)


def _transfer(command: argparse.ArgumentParser) -> None:
    command.add_argument("originals", type=Path, metavar="ORIGINALS")
    command.add_argument("adapted", type=Path, metavar="ADAPTED")
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
    _hardware(command)
    command.add_argument(
        "--source",
        metavar="A",
        help="whose change the others are compared with (default: the first)",
    )
    command.add_argument(
        "--under",
        action="append",
        metavar="CHANGE,...",
        help="also after what may happen to the images: jpegQUALITY, webpQUALITY, resizePERCENT, "
        "flip, cropPERCENT, rotateDEGREES (example: --under jpeg75,jpeg90,resize,flip,crop,rotate)",
    )
    command.add_argument(
        "--class-aware",
        action="store_true",
        help="among the images that fool the source, tell the same mistake from a different one",
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write the result here too")
    command.add_argument("--overwrite", action="store_true", help="replace FILE")
    command.add_argument("--quiet", action="store_true", help="print nothing")


def _models(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "words",
        nargs="*",
        metavar="PATTERN | pull NAME",
        help="list what matches PATTERN (as in a shell); or fetch the weights of each NAME, or "
        "NAME@hf-hub:OWNER/REPOSITORY[@REVISION], ahead of an offline run",
    )
    command.add_argument("--json", action="store_true", help="print JSON")


def _bench(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add(
        "--classifiers",
        default=DEFAULT_SOURCES,
        metavar="A,B,...",
        help="each NAME, NAME@PATH or NAME@hf-hub:OWNER/REPOSITORY (default: %(default)s)",
    )
    _hardware(command)
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


def _train_gan(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("faces", type=Path, metavar="FACES", help="folder of pictures of one face each")
    _output(command)
    _hardware(command)
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 some images failed, 2 wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file name may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    args = parser().parse_args(argv)
    if argv is None:  # a process of its own, whose memory is ours to manage
        memory.keep_freed()
    module, name = _HOMES[args.command]
    try:
        command = getattr(import_module(f"jaxanon.commands.{module}"), name)
        with import_module("jaxanon.images").quiet():
            status: int = command(args)
        return status
    except (UsageError, WeightsError) as error:
        print(f"jaxanon: {error}", file=sys.stderr)
        return 2
    except (JaxanonError, OSError) as error:
        print(f"jaxanon: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("jaxanon: interrupted; give --resume to go on", file=sys.stderr)
        return 130
