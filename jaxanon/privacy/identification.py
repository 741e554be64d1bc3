"""Whose picture is it? Nearest neighbours among the originals.

The attacker has all originals (the gallery) and a published image (the probe), and orders the
gallery by its distance to the probe. Rank-1 and rank-5 are the shares of probes whose own original
comes first, or among the first five (the measures of closed-set identification, as in Phillips et
al., "The FERET evaluation methodology", TPAMI 2000).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

RANKS = (1, 5)
RESAMPLES = 2000
CONFIDENCE = 0.95
NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
RARE = (1 - CONFIDENCE) / 2
"""Probability below which a difference is no chance; on one side, as only that one is asked for."""
EXACT = 14
"""Pairs that differ up to which all ways to flip their signs are counted."""
TINY = 1e-9


def directions(features: np.ndarray) -> np.ndarray:
    """`(n, d)` features, each row without its mean and of length one."""
    centred = features - features.mean(1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12))


def euclidean(probes: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Distances: `(probes, d)` and `(gallery, d)` -> `(probes, gallery)`."""
    squares = (probes**2).sum(1)[:, None] + (gallery**2).sum(1) - 2 * probes @ gallery.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def hits(apart: np.ndarray, own: np.ndarray, most: int) -> np.ndarray:
    """Per probe the chance, in [0, 1], that its own original is among the `most` nearest.

    Originals at the same distance are in random order, so where all look alike, as under a plain
    grey, the chance is that of a guess.

    Args:
        apart: `(probes, gallery)`.
        own: `(probes,)` int, the place of each probe's original.
        most: how many of the nearest count.
    """
    mine = np.take_along_axis(apart, own[:, None], 1)
    near = np.isclose(apart, mine, rtol=0, atol=1e-6)
    before = (~near & (apart < mine)).sum(1)
    return np.asarray(np.clip((most - before) / near.sum(1), 0, 1))


@dataclass(frozen=True)
class Interval:
    """A mean with its interval of confidence (95 %)."""

    mean: float
    low: float
    high: float

    @classmethod
    def from_values(cls, values: np.ndarray, seed: int = 0) -> Interval:
        """Of any values: by the bootstrap, resampled with replacement, percentiles of the means."""
        draws = np.random.default_rng(seed)
        count = len(values)
        means = [values[draws.integers(0, count, count)].mean() for _ in range(RESAMPLES)]
        outside = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(means, [outside, 100 - outside])
        return cls(float(values.mean()), float(low), float(high))

    @classmethod
    def from_shares(cls, values: np.ndarray) -> Interval:
        """Of hits, in [0, 1]: Wilson's interval (JASA 1927), which holds near 0 and 1 too.

        The bootstrap does not: of twenty hits in twenty tries it makes 100 to 100 %.
        """
        count, share = len(values), float(values.mean())
        square = NORMAL**2 / count
        middle = (share + square / 2) / (1 + square)
        reach = (
            NORMAL * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
        )
        return cls(share, min(share, middle - reach), max(share, middle + reach))

    def as_json(self) -> dict[str, float]:
        """For a report."""
        return {"mean": round(self.mean, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def compare(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """The difference of two paired shares, and whether the second is worse for privacy.

    `p` is how often chance alone would make a difference as large, were each image's as likely to
    go one way as the other; `worse` is true where that is rare, which takes some images.
    """
    gaps = after - before
    p = sign_flip_p(gaps)
    return {"mean": round(float(gaps.mean()), 4), "p": round(p, 4), "worse": p < RARE}


def sign_flip_p(gaps: np.ndarray) -> float:
    """One-sided p of Fisher's sign-flip test: the mean of paired differences is not above zero.

    All signs are tried where few pairs differ; for more, the distribution is taken for normal.
    """
    moved = gaps[np.abs(gaps) > TINY]
    total = moved.sum()
    if len(moved) > EXACT:
        return 0.5 * math.erfc(float(total / np.sqrt(2 * np.square(moved).sum())))
    signs = 1 - 2 * (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1)
    return float((signs @ moved >= total - TINY).mean())
