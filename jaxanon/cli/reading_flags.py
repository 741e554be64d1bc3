"""The flags that say how pictures are read."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from jaxanon.io.inputs import Inputs
    from jaxanon.io.reading import Reading


def add_reading_flags(command: ArgumentParser) -> None:
    """Add `--colour`, `--first-frame` and `--truncated`."""
    from jaxanon.io.reading import Colour

    add = command.add_argument
    add(
        "--colour",
        choices=get_args(Colour),
        default="srgb",
        metavar="NAME",
        help="srgb converts pictures by the colour profile in their files, as-stored takes their "
        "numbers as they are; one of %(choices)s (default: %(default)s)",
    )
    add(
        "--first-frame",
        action="store_true",
        help="read the first frame or page of files that have several; without it they fail",
    )
    add(
        "--truncated",
        action="store_true",
        help="read JPEG files that were cut off as far as they go; without it they fail",
    )


def read_as(args: Namespace, inputs: Inputs) -> Inputs:
    """Inputs whose images are read as the flags say."""
    from jaxanon.io.reading import InputsReadAs, Reading

    reading = reading_from(args)
    return inputs if reading == Reading() else InputsReadAs(inputs, reading)


def reading_from(args: Namespace) -> Reading:
    """How the flags say that pictures are read."""
    from jaxanon.io.reading import Reading

    return Reading(args.colour, args.first_frame, args.truncated)


def recorded_reading(args: Namespace) -> dict[str, object]:
    """What report and journal say of it: what was given."""
    given = {"first_frame": args.first_frame, "truncated": args.truncated}
    colour = {} if args.colour == "srgb" else {"colour": args.colour}
    return {**colour, **{name: True for name, value in given.items() if value}}
