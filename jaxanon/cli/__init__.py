"""The command line: commands and exit status. What the commands do is in `commands`."""

from __future__ import annotations

import argparse
import difflib
import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, NamedTuple

from jaxanon import __version__
from jaxanon.cli import arguments
from jaxanon.errors import JaxanonError, UsageError, WeightsError
from jaxanon.runtime import memory

if TYPE_CHECKING:
    from jaxanon.cli.common import Loader


class Command(NamedTuple):
    """A command.

    Attributes:
        arguments: adds the command's arguments to a parser.
        module: module of `jaxanon.cli` that holds the command; imported when the command is run,
            so that `jaxanon --help` answers at once.
        function: name of the command's function in that module.
        purpose: what the command does, in one line.
        example: a command line that shows its use.
    """

    arguments: Callable[[argparse.ArgumentParser], None]
    module: str
    function: str
    purpose: str
    example: str


COMMANDS = {
    "demo": Command(
        arguments.demo,
        "demo",
        "demo",
        "pixelate 20 packaged photos, adapt them to two classifiers, test on a third "
        "(offline, about 2 minutes)",
        "jaxanon demo",
    ),
    "anonymize": Command(
        arguments.anonymize,
        "anonymize",
        "anonymize",
        "anonymize photos, adapt them to classifiers, verify and save them",
        "jaxanon anonymize photos -o out --method pixelate --strength 8",
    ),
    "adapt": Command(
        arguments.adapt,
        "anonymize",
        "adapt",
        "adapt images that another tool has anonymized; verify and save them",
        "jaxanon adapt photos blurred -o out",
    ),
    "attack": Command(
        arguments.attack,
        "anonymize",
        "attack",
        "perturb photos until classifiers change their decisions (adversarial attack), to measure "
        "shared mistakes",
        "jaxanon attack photos -o attacked --sources tf_efficientnet_lite0",
    ),
    "transfer": Command(
        arguments.transfer,
        "transfer",
        "evaluate",
        "measure how often classifiers, held-out ones too, decide on adapted images as on the "
        "originals",
        "jaxanon transfer photos out --classifiers tf_efficientnet_lite0,tf_efficientnet_lite2",
    ),
    "privacy": Command(
        arguments.privacy,
        "privacy",
        "privacy",
        "measure how often published images can be matched to their originals",
        "jaxanon privacy photos out --anonymized blurred --json privacy.json",
    ),
    "report": Command(
        arguments.report,
        "report",
        "report",
        "sum up a run anew, also one that was stopped or that several processes share",
        "jaxanon report out",
    ),
    "push": Command(
        arguments.push,
        "push",
        "push",
        "upload what a run has made, with its card, to the Hugging Face hub; no reports, no lists",
        "jaxanon push out hf://datasets/me/adapted",
    ),
    "run": Command(
        arguments.run,
        "config_run",
        "run",
        "do what a YAML file says, which names a command and its options",
        "jaxanon run job.yaml --resume",
    ),
    "models": Command(
        arguments.models,
        "models",
        "models",
        "list classifiers with their origin and licence; fetch their weights",
        "jaxanon models 'tf_*'; jaxanon models pull resnet50 vgg16",
    ),
    "bench": Command(
        arguments.bench,
        "bench",
        "bench",
        "measure the time of gradient steps, and the images per second of a whole run, on this "
        "machine",
        "jaxanon bench --classifiers tf_efficientnet_lite0 --json bench.json",
    ),
    "ui": Command(
        arguments.ui,
        "ui",
        "ui",
        "serve a page to try it on a photo, to this machine alone (needs the extra ui)",
        "jaxanon ui",
    ),
    "doctor": Command(
        arguments.doctor,
        "doctor",
        "doctor",
        "check versions, devices, memory, disks, extras and the hub, and say what to do",
        "jaxanon doctor",
    ),
    "cache": Command(
        arguments.cache,
        "cache",
        "cache",
        "show what is kept between runs, or remove it",
        "jaxanon cache --clear",
    ),
    "completion": Command(
        arguments.completion,
        "completion",
        "completion",
        "print a script by which a shell completes commands, options and file names",
        "jaxanon completion bash > ~/.local/share/bash-completion/completions/jaxanon",
    ),
    "train-gan": Command(
        arguments.train_gan,
        "train_gan",
        "train_gan",
        "train a GAN that fills faces",
        "jaxanon train-gan faces -o gan --size 32 --steps 4000",
    ),
}

BEGINNING = """jaxanon makes anonymized images useful again. To begin with:

  jaxanon demo                       20 photos, three classifiers, offline, a few minutes
  jaxanon anonymize photos -o out    your own photos
  jaxanon doctor                     what this machine has, and what to do about the rest

All commands: jaxanon --help"""
"""What `jaxanon` alone prints."""


class CommandParser(argparse.ArgumentParser):
    """Parser of one command, which refuses unknown options itself: with its usage, near matches."""

    def parse_known_args(  # type: ignore[override]  # overloaded there, for other namespaces
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [word for action in self._actions for word in action.option_strings]
            near = difflib.get_close_matches(unknown[0].partition("=")[0], options, n=2)
            hint = f"; near matches: {', '.join(near)}" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown


def parser(of_each: type[CommandParser] = CommandParser) -> argparse.ArgumentParser:
    """The parser of all commands.

    Args:
        of_each: kind of the parsers of the single commands.
    """
    top = argparse.ArgumentParser(
        prog="jaxanon",
        description="Make anonymized images useful again: adapt them until classifiers decide "
        "as they did on the originals, without showing them the originals.",
    )
    top.add_argument("--version", action="version", version=f"jaxanon {__version__}")
    commands = top.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=of_each
    )
    for name, command in COMMANDS.items():
        purpose = command.purpose
        command.arguments(
            commands.add_parser(
                name,
                help=purpose,
                description=purpose[0].upper() + purpose[1:] + ".",
                epilog=f"example: {command.example}",
                allow_abbrev=False,
            )
        )
    return top


def main(argv: Sequence[str] | None = None, load: Loader | None = None) -> int:
    """Run a command; returns the exit status: 0 done, 1 some images failed, 2 wrong usage.

    Args:
        argv: the words after `jaxanon`; by default those of the process.
        load: loads the classifiers that a command names; by default their weights.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file name may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if argv is None else argv
    if not words:
        print(BEGINNING)
        return 0
    args = parser().parse_args(words)
    if argv is None:  # a process of its own, whose memory and signals are ours to manage
        memory.keep_freed()
        signal.signal(signal.SIGTERM, _terminate)
    try:
        return perform(args, load)
    except (UsageError, WeightsError) as error:
        print(f"jaxanon: {error}", file=sys.stderr)
        return 2
    except (JaxanonError, OSError) as error:
        print(f"jaxanon: {error}", file=sys.stderr)
        return 1
    except Terminated:
        print(f"jaxanon: terminated{_way_on(args)}", file=sys.stderr)
        return 143
    except KeyboardInterrupt:
        print(f"jaxanon: interrupted{_way_on(args)}", file=sys.stderr)
        return 130


def perform(args: argparse.Namespace, load: Loader | None) -> int:
    """Do what parsed words say; returns the exit status.

    Args:
        args: what `parser` has made of them.
        load: loads the classifiers that a command names; None for their weights.

    Raises:
        JaxanonError: as the command does.
    """
    chosen = COMMANDS[args.command]
    command = getattr(import_module(f"jaxanon.cli.{chosen.module}"), chosen.function)
    import_module("jaxanon.cli.common").announce(quiet=vars(args).get("quiet", True))
    with import_module("jaxanon.io.images").quiet():
        status: int = command(args) if load is None else command(args, load)
    return status


def _way_on(args: argparse.Namespace) -> str:
    """How to go on with what was cut off, where that can be."""
    resumes = "resume" in args or args.command == "run"
    return "; give --resume to go on" if resumes else ""


class Terminated(KeyboardInterrupt):
    """The process is to end, as schedulers ask before they kill: as if the user had asked."""


def _terminate(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one would cut the cleaning up short
    raise Terminated
