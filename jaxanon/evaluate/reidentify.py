"""Whose picture is it? Nearest neighbours among the originals.

The attacker has all originals (the gallery) and a published image (the probe), and orders the
gallery by its distance to the probe. Rank-1 and rank-5 are the shares of probes whose own original
comes first, or among the first five (the measures of closed-set identification, as in Phillips et
al., "The FERET evaluation methodology", TPAMI 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

RANKS = (1, 5)
RESAMPLES = 2000
CONFIDENCE = 0.95


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
    def of(cls, values: np.ndarray, seed: int = 0) -> Interval:
        """By the bootstrap over values: resampled with replacement, percentiles of the means."""
        places = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
        outside = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(values[places].mean(1), [outside, 100 - outside])
        return cls(float(values.mean()), float(low), float(high))

    def as_json(self) -> dict[str, float]:
        """For a report."""
        return {"mean": round(self.mean, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def compare(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """The difference of two paired shares, and whether the second is worse for privacy.

    `worse` is true where the whole interval lies above zero.
    """
    gap = Interval.of(after - before)
    return {**gap.as_json(), "worse": gap.low > 1e-9}
