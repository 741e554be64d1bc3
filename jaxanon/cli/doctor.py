"""`jaxanon doctor`: what a run finds on this machine, and what to do where something is missing."""

from __future__ import annotations

from argparse import Namespace

from jaxanon.cli.checkup import checkup


def doctor(args: Namespace, load: object = None) -> int:
    """Print a line for each check, as it is made; returns 1 where something has failed."""
    failed = False
    for finding in checkup():
        failed = failed or finding.state == "FAILED"
        print(f"{finding.name:15}  {finding.state:7}  {finding.text}", flush=True)
    return 1 if failed else 0
