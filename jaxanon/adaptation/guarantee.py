"""How much an adapted image can tell of the original, beyond what the anonymized image tells."""

from __future__ import annotations

import math
from collections.abc import Sequence

from jaxanon.adaptation.settings import Settings

FLOAT_BITS = 32


def guarantee(
    settings: Settings,
    classes: Sequence[int],
    *,
    regions: bool,
    capped: bool = False,
    oracles: Sequence[int] = (),
) -> dict[str, float | str]:
    """A bound on what an adapted image tells of its original, from what the adaptation is told.

    The adapted image is a function of the anonymized image, the seed, and of what the sources said
    of the original: their decisions; or, for the loss `soft`, all their probabilities. Where only
    a region of it may change, on that region too.

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
    if settings.needs_soft_labels:
        bits = float(FLOAT_BITS * sum(classes))
        channel = (
            f"the sources' probabilities on it, {sum(classes)} numbers of {FLOAT_BITS} bits, which "
            "may tell far more than decisions do"
        )
    else:
        bits = sum(math.log2(count) for count in classes)
        channel = f"the decision of each source on it, one of {' x '.join(map(str, classes))}"
    if oracles:
        bits += sum(math.log2(count) for count in oracles)
        channel += f", the decision of each oracle, one of {' x '.join(map(str, oracles))}"
    if capped:
        stops = settings.max_verifications + 1
        bits += math.log2(stops)
        channel += f", and through which of {stops} moments it was stopped at"
    baseline = "the anonymized image" + (" and the region that may change" if regions else "")
    text = f"beyond {baseline}, an adapted image depends on the original through {channel}"
    return {"bits": round(bits, 2), "text": text}
