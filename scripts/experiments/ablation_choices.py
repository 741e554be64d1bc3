"""What could be chosen among the rows that `ablate_transfer.py` measured, and what that keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ablation_results import Ablation, MeasuredRow, decided, gradients_of, text_of

from jaxanon.adaptation.settings import Settings

MOST_GRADIENTS = 100
"""Gradients per image up to which a row may be chosen as the best."""


def cross_validated(result: Ablation) -> list[str]:
    """What the best row reaches on each target when it is chosen on the other targets.

    Of the rows that keep to the usual number of gradients, and to the usual bound.
    """
    rows = {
        name: row
        for name, row in result["rows"].items()
        if gradients_of(row) <= MOST_GRADIENTS and _within_the_usual_bound(row)
    }
    if len(rows) < 2:
        return []
    found = []
    for target in result["classifiers"]:
        others = {name: _kept_by(row, target, others=True).mean() for name, row in rows.items()}
        best = max(others, key=others.__getitem__)
        found.append((best, _kept_by(rows[best], target, others=False)))
    names = ", ".join(best for best, _ in found)
    reached = text_of(np.concatenate([kept for _, kept in found]))
    return [f"chosen for each target on the others alone: {reached} ({names})"]


def by_any(result: Ablation) -> list[str]:
    """What targets keep with one row or another; within the usual bound, and with all.

    A target that is asked which of these files it understands keeps so much, and no more.
    """
    rows = list(result["rows"].values())
    within = [row for row in rows if _within_the_usual_bound(row)]
    if len(within) < 2:
        return []
    text = f"kept by one row or another: {text_of(_union(within))} ({len(within)} rows)"
    if len(within) < len(rows):
        text += f", with other bounds too {text_of(_union(rows))} ({len(rows)})"
    return [text]


def _within_the_usual_bound(row: MeasuredRow) -> bool:
    usual = {"eps": Settings().eps, "luma_weight": Settings().luma_weight}
    return usual.items() <= {**usual, **row["settings"]}.items()


def _union(rows: Sequence[MeasuredRow]) -> np.ndarray:
    """Outcomes `(pairs, photos)`: whether a target decides as on the original with any row."""
    found: dict[tuple[str, ...], np.ndarray] = {}
    for row in rows:
        for sources, name, kept in decided(row, "adapted"):
            if name not in sources:
                pair = (*sources, name)
                found[pair] = kept | found.get(pair, np.zeros_like(kept))
    return np.array(list(found.values()))


def _kept_by(row: MeasuredRow, target: str, *, others: bool) -> np.ndarray:
    """Outcomes `(pairs, photos)` of a classifier as a target, or of the other targets."""
    return np.array(
        [
            kept
            for sources, name, kept in decided(row, "adapted")
            if name not in sources and (name != target) == others
        ]
    )
