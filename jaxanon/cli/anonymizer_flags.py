"""The flags of anonymizers, made from the options that each of them declares."""

from __future__ import annotations

import argparse
from pathlib import Path

from jaxanon.anonymizers import ANONYMIZERS, Anonymizer, make
from jaxanon.anonymizers.anonymizer import OptionHelp
from jaxanon.cli.suggestions import Suggestions
from jaxanon.errors import UsageError


def add_anonymizer_flags(command: argparse.ArgumentParser) -> None:
    """Add `--method`, a flag for each option of any anonymizer, and `--save-views`."""
    add = command.add_argument
    names = [
        f"{name} ({kind.summary})" if kind.summary else name for name, kind in ANONYMIZERS.items()
    ]
    add(
        "--method",
        default="blur",
        metavar="NAME",
        choices=Suggestions(lambda: ANONYMIZERS),
        help=f"how to anonymize: {', '.join(names)} (default: blur)",
    )
    for option, owners in _owners().items():
        first = next(iter(owners.values()))
        add(
            "--" + option.replace("_", "-"),
            type=first.parse,
            metavar=first.metavar,
            help="; ".join(
                f"{name}: {text.help}{_default(name, option)}" for name, text in owners.items()
            ),
        )
    makers = " and ".join(n for n, kind in ANONYMIZERS.items() if kind.has_low_resolution)
    add(
        "--save-views",
        type=Path,
        metavar="DIR",
        help=f"{makers}: also save the small views, as PNG",
    )


def anonymizer_from(args: argparse.Namespace, seed: int) -> Anonymizer:
    """The anonymizer that the flags of `add_anonymizer_flags` ask for.

    Args:
        args: parsed words of a command that has `--regions` too.
        seed: seed of all random choices of the run.

    Raises:
        UsageError: for an unknown name, options that are not the anonymizer's, or values that it
            cannot take.
    """
    name = args.method
    kind = ANONYMIZERS.get(name)
    if kind and kind.needs_region and args.regions == "whole":
        raise UsageError(
            f"--method {name} fills regions: give --regions faces, a .json file of boxes or a "
            "folder of masks"
        )
    if kind and args.save_views and not kind.has_low_resolution:
        owners = " or ".join(n for n, each in ANONYMIZERS.items() if each.has_low_resolution)
        raise UsageError(f"--save-views goes with --method {owners}, not with {name}")
    return make(name, seed, **{option: getattr(args, option) for option in _owners()})


def recorded_options(args: argparse.Namespace, anonymizer: Anonymizer) -> dict[str, object]:
    """What the report and the journal say of an anonymizer and of where its views go."""
    if not anonymizer.has_low_resolution:
        return anonymizer.recorded()
    views = str(args.save_views) if args.save_views else None
    return {**anonymizer.recorded(), "save_views": views}


def _owners() -> dict[str, dict[str, OptionHelp]]:
    """Name of each option -> the anonymizers that have it, each with its help."""
    owners: dict[str, dict[str, OptionHelp]] = {}
    for name, kind in ANONYMIZERS.items():
        for option, text in kind.Options.help_texts().items():
            owners.setdefault(option, {})[name] = text
    return owners


def _default(name: str, option: str) -> str:
    """The default value of an option, for its help; nothing where None stands for it."""
    value = ANONYMIZERS[name].Options.defaults()[option]
    if value is None:
        return ""
    return f" (default: {value:g})" if isinstance(value, float) else f" (default: {value})"
