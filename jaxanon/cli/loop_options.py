"""Options of the loop on the command line, made from the fields of `Settings`.

Name, type, default, range, choices and help of a flag are those of the field; what has no flag of
its own is set by `--set NAME=VALUE`. A new field of `Settings` needs nothing here.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import NamedTuple

from jaxanon.adaptation.option import Option, Value
from jaxanon.adaptation.settings import DEFAULT, PRESETS, Goal, Settings, preset, unknown_setting
from jaxanon.cli.suggestions import Suggestions
from jaxanon.errors import UsageError


def true_or_false(text: str) -> bool:
    """The truth value of `true` or `false`."""
    return {"true": True, "false": False}[text]


class ValueKind(NamedTuple):
    """How values of one type are read from the command line.

    Attributes:
        read: makes a value of a text; raises KeyError or ValueError where it cannot.
        wanted: what the text must be, in words.
    """

    read: Callable[[str], Value]
    wanted: str


KINDS: dict[type, ValueKind] = {
    bool: ValueKind(true_or_false, "true or false"),
    int: ValueKind(int, "a whole number"),
    float: ValueKind(float, "a number"),
    str: ValueKind(str, "a text"),
}
"""Type of an option -> how its values are read."""


def loop_options() -> dict[str, Option]:
    """The options that can be set; the goal is the command's."""
    return {name: option for name, option in Settings.options().items() if name != "goal"}


def add_loop_flags(parser: ArgumentParser) -> None:
    """Add a flag for the preset, one for each option that has its own, and one for all others."""
    parser.add_argument(
        "--preset",
        default=DEFAULT,
        metavar="NAME",
        choices=Suggestions(lambda: PRESETS),
        help="fast: stop as soon as every source makes its reference decision; transfer: 100 steps "
        "on random transforms, so that other classifiers understand the image too; balanced: most "
        "of that in 40 steps (default: %(default)s)",
    )
    for option in loop_options().values():
        flag = f"--{option.name.replace('_', '-')}"
        if option.flag and isinstance(option.default, bool):
            parser.add_argument(flag, action="store_const", const=True, help=option.help)
        elif option.flag:
            parser.add_argument(
                flag,
                type=KINDS[type(option.default)].read,
                metavar="NAME" if isinstance(option.default, str) else "N",
                choices=Suggestions(option.choices) if option.choices else None,
                help=help_of(option),
            )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other option of the loop, see docs/transfer.md; repeat for more "
        "(example: --set transforms=resize:0.2,flip --set step_size=2)",
    )


def add_keep_flag(parser: ArgumentParser) -> None:
    """Add the flag `--keep` alone, for a command that runs no loop, and compares decisions."""
    option = loop_options()["keep"]
    parser.add_argument("--keep", default=option.default, metavar="NAME", help=help_of(option))


def help_of(option: Option) -> str:
    """What a flag does, what it may be, and its default, for argparse."""
    may_be = (
        "; one of %(choices)s" if option.choices else f"; {option.range}" if option.range else ""
    )
    values = {name: changes.get(option.name, option.default) for name, changes in PRESETS.items()}
    same = len(set(values.values())) == 1
    default = option.default if same else ", ".join(f"{v} with {k}" for k, v in values.items())
    return f"{option.help.replace('%', '%%')}{may_be} (default: {default})"


def settings_from(args: Namespace, goal: Goal) -> Settings:
    """The preset that the command line names, with what it changes of it.

    With `--cap`, the saved file is verified every few steps, unless `--set verify_every` says when.

    Args:
        args: what `add_loop_flags` and the options of the cap, `cap` and `judge`, have parsed.
        goal: what the command is to do with the decisions.

    Raises:
        UsageError: for an unknown name, a value that is none of its kind, or one given twice.
    """
    options = loop_options()
    assigned = dict(assignment(text, options) for text in args.set)
    flags = {
        name: getattr(args, name)
        for name, option in options.items()
        if option.flag and getattr(args, name) is not None
    }
    for name in flags.keys() & assigned.keys():
        raise UsageError(f"--set {name}={assigned[name]} and --{name} {flags[name]}: give one")
    changes = assigned | flags
    if args.cap is not None:
        from jaxanon.pipeline.cap import VERIFY_EVERY  # not before: help answers at once

        steps = changes.get("steps", VERIFY_EVERY)
        changes.setdefault("verify_every", min(VERIFY_EVERY, steps))
    elif args.judge:
        raise UsageError("--judge goes with --cap")
    return preset(args.preset, **changes, goal=goal)


def assignment(text: str, options: dict[str, Option]) -> tuple[str, Value]:
    """Name and value of a `NAME=VALUE`.

    Raises:
        UsageError: for an unknown name, or a value that is none of its kind.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text}: give NAME=VALUE")
    if name not in options:
        raise UsageError(f"--set {text}: {unknown_setting(name, options)}")
    kind = KINDS[type(options[name].default)]
    try:
        return name, kind.read(value)
    except (KeyError, ValueError):
        raise UsageError(f"--set {text}: {name} must be {kind.wanted}") from None
