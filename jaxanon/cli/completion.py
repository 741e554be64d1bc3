"""`jaxanon completion`: what a shell needs to complete commands, options and file names."""

from __future__ import annotations

import argparse
from argparse import Namespace

from jaxanon.cli import parser

PLACES = frozenset({"SRC", "DIR", "FILE", "FILE.yaml", "ORIGINALS", "ANONYMIZED", "ADAPTED"})
"""What arguments are called that are files or folders."""


def completion(args: Namespace, load: object = None) -> int:
    """Print the shell's script."""
    import shtab

    top = parser()
    _mark_files(top)
    print(shtab.complete(top, shell=args.shell))
    return 0


def _mark_files(of: argparse.ArgumentParser) -> None:
    """Say of all arguments of a parser, and of those below it, which are names of files."""
    import shtab

    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _mark_files(inner)
        elif action.metavar in PLACES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # as shtab wants it
