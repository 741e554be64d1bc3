"""Measures of images, decisions and features, and how sure a measured mean is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

RESAMPLES = 2000
"""Samples that the bootstrap draws."""
RESAMPLES_AT_ONCE = 100
"""Samples that the bootstrap holds in memory at a time."""
CONFIDENCE = 0.95
NORMAL = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
MOST_EXACT = 14
"""Pairs that differ up to which the sign-flip test tries all signs."""
TINY = 1e-9
"""Differences up to this size count as none in the sign-flip test."""


def percent(share: float | None) -> str:
    """A share as text, in percent with one decimal; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def concordance(reference: np.ndarray, decisions: np.ndarray) -> float | None:
    """Share of images on which the decision is the reference decision; None without images."""
    return float((decisions == reference).mean()) if reference.size else None


def repair_rate(reference: np.ndarray, anonymized: np.ndarray, adapted: np.ndarray) -> float | None:
    """Concordance of adapted images among those whose decision the anonymizer had changed.

    Args:
        reference: `(images,)` int, a classifier's decisions on the originals.
        anonymized: `(images,)` int, its decisions on the anonymized images.
        adapted: `(images,)` int, its decisions on the adapted images.

    Returns:
        A share, or None where the anonymizer changed no decision.
    """
    lost = anonymized != reference
    return concordance(reference[lost], adapted[lost])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of classes, `(..., classes)`, of the same type as the logits."""
    from scipy import special

    return np.asarray(special.softmax(logits, axis=-1))


def psnr(gap: np.ndarray) -> float | None:
    """Peak signal-to-noise ratio in dB of a difference in levels of 255; None where it is zero."""
    square = float(np.square(gap, dtype=np.float32).mean(dtype=np.float64))
    return None if square == 0 else float(10 * np.log10(255**2 / square))


def difference(saved: np.ndarray, anonymized: np.ndarray) -> tuple[int, float | None]:
    """Largest difference of two uint8 images in levels, and PSNR in dB (None for equal images)."""
    gap = saved.astype(np.int16) - anonymized
    decibels = psnr(gap)
    return int(np.abs(gap).max()), None if decibels is None else round(decibels, 2)


def directions(features: np.ndarray) -> np.ndarray:
    """`(n, d)` features, each row without its mean and of length one.

    The inner product of two such rows is their correlation.
    """
    centred = features - features.mean(1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12))


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval.

    Attributes:
        mean: mean of the sample.
        low: lower bound of the interval.
        high: upper bound of the interval.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def from_values(cls, values: np.ndarray, seed: int = 0) -> Interval:
        """Interval by the bootstrap, from the percentiles of resampled means.

        Args:
            values: `(n,)` floats of any distribution.
            seed: seed of the resampling.
        """
        from scipy import stats

        mean = float(values.mean())
        if len(values) < 2:  # nothing to resample
            return cls(mean, mean, mean)
        found = stats.bootstrap(
            (values,),
            np.mean,
            n_resamples=RESAMPLES,
            batch=RESAMPLES_AT_ONCE,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        return cls(mean, float(found.low), float(found.high))

    @classmethod
    def from_shares(cls, values: np.ndarray) -> Interval:
        """Wilson's interval of a share (JASA 1927), which holds near 0 and 1 too.

        The bootstrap does not: of twenty hits in twenty tries it makes 100 to 100 %. A hit may be
        a fraction, as where several answers are equally near; scipy's interval takes none.

        Args:
            values: `(n,)` hits in [0, 1].
        """
        return cls.of_share(float(values.mean()), len(values))

    @classmethod
    def of_share(cls, share: float, count: int) -> Interval:
        """Wilson's interval of a share of so many, see `from_shares`."""
        square = NORMAL**2 / count
        middle = (share + square / 2) / (1 + square)
        reach = (
            NORMAL * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
        )
        return cls(share, min(share, middle - reach), max(share, middle + reach))


def sign_flip_p(gaps: np.ndarray) -> float:
    """One-sided p of Fisher's sign-flip test: the mean of paired differences is not above zero.

    All signs are tried where few pairs differ; for more, the distribution is taken for normal.

    Args:
        gaps: `(pairs,)`, second less first value of each pair.
    """
    from scipy import stats

    moved = gaps[np.abs(gaps) > TINY]
    if len(moved) > MOST_EXACT:
        return 0.5 * math.erfc(float(moved.sum() / np.sqrt(2 * np.square(moved).sum())))
    # scipy asks for two pairs at least; pairs without a difference change nothing.
    pairs = np.pad(moved, (0, max(0, 2 - len(moved))))
    found = stats.permutation_test(
        (pairs,),
        np.sum,
        permutation_type="samples",
        alternative="greater",
        n_resamples=2**MOST_EXACT,
    )
    return float(found.pvalue)
