"""What a search tries next while oracles, which give no gradients, disagree with the saved file."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from jaxanon.adaptation.problem import Problem

SOURCES_EVERY = 10
"""One move in so many follows the sources' gradients, on other random transforms each time."""
SOURCE_STEPS = 4
"""Gradient steps of such a move."""
OWN_EVERY = 4
"""One of so many of these leads the sources to their own decisions, so that they stay sure of
them; the others to the oracles', in turn."""
LARGEST, SMALLEST = 0.1, 0.01
"""Share of the canvas that a patch covers, at first and in the end."""


class Move(NamedTuple):
    """What to try next.

    Attributes:
        levels: perturbation to begin with, `(canvas, 3, canvas)` int16.
        steps: gradient steps to make from there.
        decisions: what each source is led to by them, as those of `Problem`.
    """

    levels: np.ndarray
    steps: int
    decisions: ArrayLike


class Hints(NamedTuple):
    """What a search has to go by.

    Attributes:
        labels_alone: whether the oracles' answers so far were labels without scores.
        aims: for each oracle, what the sources are led to for its sake, `(M,)` int; none where they
            are to be led to their own decisions alone.
    """

    labels_alone: bool = False
    aims: tuple[np.ndarray, ...] = ()


NO_HINTS = Hints()


class Questions(NamedTuple):
    """How far the questions about an image have come.

    Attributes:
        asked: so many, at least 1.
        most: so many at most.
        hints: what is known of the oracles.
    """

    asked: int
    most: int
    hints: Hints = NO_HINTS


def next_move(levels: np.ndarray, problem: Problem, questions: Questions) -> Move:
    """A move from a perturbation, drawn by the image's own seed.

    Where answers have scores, most moves set a square patch to the bound, darker or brighter by
    colour, and cost no gradient: what remains is for the oracles to say. Patches shrink as the
    questions are spent. Labels do not tell a patch that helps from one that does not, so there all
    moves follow the sources' gradients.

    Most of those lead towards what an oracle decided on the original. Where that is not what a
    source did, steps towards the source's decision would lead away from it; and a move counts only
    while the sources still keep theirs.

    Source: Andriushchenko et al., "Square Attack: a query-efficient black-box adversarial attack
    via random search", ECCV 2020; there without sources to start from, or to return to.

    Args:
        levels: `(canvas, 3, canvas)` int16.
        problem: the image.
        questions: how far they have come.
    """
    asked, most, (labels_alone, aims) = questions
    if labels_alone or asked % SOURCES_EVERY == 0:
        turn = asked if labels_alone else asked // SOURCES_EVERY
        own = not aims or turn % OWN_EVERY == 0
        led = turn - turn // OWN_EVERY - 1
        decisions = problem.decisions if own else aims[led % len(aims)]
        return Move(levels, SOURCE_STEPS, decisions)
    below, above = (np.asarray(bound, np.int16) for bound in (problem.below, problem.above))
    rng = np.random.default_rng([int(np.asarray(problem.seed)), asked])
    rows, columns = np.nonzero(np.maximum(below, above).max(1))
    centre = rng.integers(len(rows))
    share = max(SMALLEST, LARGEST * (1 - asked / most))
    side = round(len(levels) * share**0.5)
    patch = tuple(
        slice(max(0, place - side // 2), place - side // 2 + side)
        for place in (int(rows[centre]), int(columns[centre]))
    )
    brighter = rng.integers(0, 2, (1, 1 if np.asarray(problem.one_channel) else 3, 1)).astype(bool)
    moved = levels.copy()
    where = patch[0], slice(None), patch[1]
    moved[where] = np.where(brighter, above[where], -below[where])
    return Move(moved, 0, problem.decisions)
