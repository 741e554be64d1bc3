"""What `compare_attacks.py` compares: attacks of other packages, and settings of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ablation_rows import MORE_ZOOM, SIGNS

from jaxanon.adaptation.settings import Settings, preset
from jaxanon.errors import UsageError, unknown

EPS = 16
"""Largest change of a pixel, in 1/255, for all."""
BASE = "signs, 30 steps of 4"
"""Our row that all costs are compared with."""


class Attack(NamedTuple):
    """An attack of another package, with its own defaults but for the bound.

    Attributes:
        package: `torchattacks` or `foolbox`.
        kind: name of its class there.
        steps: steps to make; None for its default.
        long: whether it is run in the first rounds alone, since it takes hundreds of gradients.
    """

    package: str
    kind: str
    steps: int | None = None
    long: bool = False


MANY = 100
"""Steps of the rows that are given as many as our preset `transfer`."""

PEERS: dict[str, Attack] = {
    "DIFGSM": Attack("torchattacks", "DIFGSM"),
    "TIFGSM": Attack("torchattacks", "TIFGSM"),
    "VMIFGSM": Attack("torchattacks", "VMIFGSM"),
    "SINIFGSM": Attack("torchattacks", "SINIFGSM"),
    "LinfPGD": Attack("foolbox", "LinfPGD"),
    f"DIFGSM, {MANY} steps": Attack("torchattacks", "DIFGSM", MANY),
    f"TIFGSM, {MANY} steps": Attack("torchattacks", "TIFGSM", MANY),
    f"VMIFGSM, {MANY} steps": Attack("torchattacks", "VMIFGSM", MANY, long=True),
    f"SINIFGSM, {MANY} steps": Attack("torchattacks", "SINIFGSM", MANY, long=True),
}
"""Name of a row -> the attack."""

ADAM = {**MORE_ZOOM, "step_size": 1.0}
"""Less visible steps, see docs/transfer.md."""
OURS: dict[str, dict[str, Any]] = {
    "transfer": {},
    "transfer, 60 steps": {"steps": 60},
    "balanced": {"name": "balanced"},
    "signs": SIGNS,
    **{
        f"signs, {n} steps of 4": {**SIGNS, "steps": n, "step_size": 4.0}
        for n in (30, 20, 15, 10, 5)
    },
    "Adam": ADAM,
    **{f"Adam, {n} steps": {**ADAM, "steps": n} for n in (30, 20, 10, 5)},
}
"""Name of a row -> what it changes of the preset `transfer`, or the preset itself (`name`)."""


def settings_of(row: str, steps: int | None = None) -> Settings:
    """Settings of the loop in one of our rows, in float32 as the peers.

    Args:
        row: its name.
        steps: other steps than the row's.
    """
    changes = {"name": "transfer", "eps": EPS, "precision": "float32", **OURS[row]}
    return preset(**changes | ({"steps": steps} if steps else {}))


def order_of(rows: Sequence[str], number: int) -> list[str]:
    """The rows of a round, which begins with another one each time.

    So a drift of the machine's speed hits all rows.

    Args:
        rows: names of rows.
        number: number of the round.
    """
    start = number % len(rows)
    return [*rows[start:], *rows[:start]]


def chosen(text: str | None) -> list[str]:
    """Names of the rows in a text such as `DIFGSM;balanced`; of all for None.

    Raises:
        UsageError: for a name that is none.
    """
    known = [*PEERS, *OURS]
    names = [name.strip() for name in text.split(";")] if text else known
    for name in names:
        if name not in known:
            raise UsageError(unknown("row", name, known))
    return names
