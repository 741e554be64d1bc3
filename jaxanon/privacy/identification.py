"""Whose picture is it? Nearest neighbours among the originals.

The attacker has all originals (the gallery) and a published image (the probe), and orders the
gallery by its distance to the probe. Rank-1 and rank-5 are the shares of probes whose own original
comes first, or among the first five (the measures of closed-set identification, as in Phillips et
al., "The FERET evaluation methodology", TPAMI 2000).
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np

from jaxanon.metrics import CONFIDENCE, sign_flip_p

RANKS = (1, 5)
RARE = (1 - CONFIDENCE) / 2
"""Probability below which a difference is no chance; on one side, as only that one is asked for."""


class Comparison(TypedDict):
    """How much better re-identification does on a second kind of images than on a first.

    Attributes:
        mean: difference of the two shares of images found, in [-1, 1].
        p: how often chance alone would make a difference as large, were each image's as likely to
            go one way as the other.
        worse: whether that is rare, so that the second kind is worse for privacy.
    """

    mean: float
    p: float
    worse: bool


def hits(distances: np.ndarray, own: np.ndarray, most: int) -> np.ndarray:
    """Per probe the chance, in [0, 1], that its own original is among the `most` nearest.

    Originals at the same distance are in random order, so where all look alike, as under a plain
    grey, the chance is that of a guess.

    Args:
        distances: `(probes, gallery)`, of each probe to each original.
        own: `(probes,)` int, the place of each probe's original in the gallery.
        most: how many of the nearest count.
    """
    to_own = np.take_along_axis(distances, own[:, None], 1)
    tied = np.isclose(distances, to_own, rtol=0, atol=1e-6)
    nearer = (~tied & (distances < to_own)).sum(1)
    return np.asarray(np.clip((most - nearer) / tied.sum(1), 0, 1))


def compare(before: np.ndarray, after: np.ndarray) -> Comparison:
    """Compare the hits of the same probes on two kinds of images; see `Comparison`.

    Args:
        before: `(probes,)` in [0, 1], hits on the first kind, such as the anonymized images.
        after: `(probes,)` in [0, 1], hits on the second kind, such as the adapted images.
    """
    gaps = after - before
    p = sign_flip_p(gaps)
    return {"mean": round(float(gaps.mean()), 4), "p": round(p, 4), "worse": p < RARE}
