"""Motions of inverse super resolution: random candidates, the choice among them, their file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from jaxanon.errors import UsageError

SHIFT, ZOOM, TURN = 1.0, 0.1, 6.0
"""Candidates: shifts up to so many pixels of the view, scales of 1 plus or minus so much, rotations
up to so many degrees."""
CANDIDATES = 24
"""Candidates that motions are chosen among."""


@dataclass(frozen=True)
class Motion:
    """How the content of a picture moves, about the picture's centre.

    Attributes:
        right, down: shift, in pixels of the low-resolution view.
        scale: above 1 enlarges.
        degrees: counter-clockwise.
    """

    right: float = 0.0
    down: float = 0.0
    scale: float = 1.0
    degrees: float = 0.0


def candidates(seed: int, count: int = CANDIDATES) -> list[Motion]:
    """Random motions, uniform within the bounds `SHIFT`, `ZOOM` and `TURN`."""
    draw = np.random.default_rng(seed).uniform(-1, 1, (count, 4))
    return [
        Motion(*(round(float(x), 4) for x in (SHIFT * a, SHIFT * b, 1 + ZOOM * c, TURN * d)))
        for a, b, c, d in draw
    ]


def select(probabilities: Sequence[np.ndarray], count: int) -> list[int]:
    """Choose motions by maximum entropy, one after the other.

    Each time that one is added for which the prediction, averaged over the views chosen so far and
    itself, is the most uncertain; uncertainty is the entropy, averaged over images and
    classifiers. In the paper the classifier is trained anew on the views chosen so far, and that
    view is added next of which it is the least certain; here classifiers are frozen, so the
    average takes the place of the training.

    Args:
        probabilities: probabilities of each class, one array `(candidates, images, classes)` per
            classifier.
        count: how many motions to choose; all candidates where there are fewer.

    Returns:
        Places of the chosen among the candidates, in the order of the choice.
    """
    total = len(probabilities[0])
    sums = [np.zeros(p.shape[1:]) for p in probabilities]
    chosen: list[int] = []
    while len(chosen) < min(count, total):
        scores = np.full(total, -np.inf)
        for place in set(range(total)) - set(chosen):
            means = [
                (s + p[place]) / (len(chosen) + 1) for s, p in zip(sums, probabilities, strict=True)
            ]
            scores[place] = np.mean([entropy(mean).mean() for mean in means])
        best = int(scores.argmax())
        chosen.append(best)
        sums = [s + p[best] for s, p in zip(sums, probabilities, strict=True)]
    return chosen


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Shannon entropy of distributions over the last axis, in bits: `(..., classes)` -> `(...)`."""
    logs = np.log2(np.where(probabilities > 0, probabilities, 1))
    return np.asarray(-(probabilities * logs).sum(-1))


def from_json(data: object) -> list[Motion]:
    """Motions from what `as_json` returned.

    Raises:
        ValueError, KeyError, TypeError: when this is something else, or a motion goes too far.
    """
    if not isinstance(data, dict):
        raise TypeError("the top level is no object")
    known = {field.name for field in fields(Motion)}
    motions = [Motion(**{name: float(row[name]) for name in known}) for row in data["motions"]]
    fine = motions and all(
        abs(m.right) <= 4 and abs(m.down) <= 4 and 0.5 <= m.scale <= 2 and abs(m.degrees) <= 45
        for m in motions
    )
    if not fine:
        raise ValueError("no motion, or one beyond shifts of 4, scales of 0.5 to 2, 45 degrees")
    return motions


def as_json(motions: Sequence[Motion]) -> dict[str, object]:
    """Motions as their file holds them."""
    return {"motions": [asdict(motion) for motion in motions]}


def read_motions(path: Path) -> list[Motion]:
    """Motions from a file that holds what `as_json` returned.

    Raises:
        UsageError: naming the file.
    """
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: no file of motions ({error!r}); give the isr.json of an earlier run"
        ) from error
