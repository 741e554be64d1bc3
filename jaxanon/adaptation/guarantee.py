"""How much an adapted image can tell of the original, beyond what the anonymized image tells."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.keeping import Keep

FLOAT_BITS = 32
LONG = 10**9
"""Numbers from here on are written as powers of two."""


def guarantee(
    settings: Settings,
    classes: Sequence[int],
    *,
    regions: bool,
    capped: bool = False,
    oracles: Sequence[int] = (),
) -> dict[str, float | str]:
    """A bound on what an adapted image tells of its original, from what the adaptation is told.

    The adapted image is a function of the anonymized image, the seed, and of what sources and
    oracles said of the original: their decisions; or, for the loss `soft`, all the sources'
    probabilities. Where only a region of it may change, on that region too.

    Args:
        settings: options of the loop that adapts.
        classes: number of classes of each source.
        regions: whether only regions of the image may change, which were found on the original.
        oracles: number of classes of each oracle. What it answers on adapted images tells nothing
            of the original: these are made without it, and what counts is whether an answer is its
            decision on the original.
        capped: whether a judge who knows the original may stop the image between verifications.

    Returns:
        `bits`, an upper bound per image on what the sources tell, and `text`, the same in words.
    """
    keep = settings.keeping
    if settings.needs_soft_labels:
        bits = float(FLOAT_BITS * sum(classes))
        channel = (
            f"the sources' probabilities on it, {sum(classes)} numbers of {FLOAT_BITS} bits, which "
            "may tell far more than decisions do"
        )
    else:
        bits, ways = _counted(keep, classes)
        channel = f"the {keep.noun} of each source on it, one of {ways}"
    if oracles:
        more, ways = _counted(keep, oracles)
        bits += more
        channel += f", the {keep.noun} of each oracle, one of {ways}"
    if capped:
        stops = settings.max_verifications + 1
        bits += math.log2(stops)
        channel += f", and through which of {stops} moments it was stopped at"
    baseline = "the anonymized image" + (" and the region that may change" if regions else "")
    text = f"beyond {baseline}, an adapted image depends on the original through {channel}"
    return {"bits": round(bits, 2), "text": text}


def _counted(keep: Keep, classes: Sequence[int]) -> tuple[float, str]:
    """Bits of the decisions of classifiers with so many classes, and how many there are of each."""
    ways = [keep.ways(count) for count in classes]
    told = (str(each) if each < LONG else f"2^{math.log2(each):.7g}" for each in ways)
    return sum(map(math.log2, ways)), " x ".join(told)
