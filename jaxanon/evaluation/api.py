"""The Python face of the evaluation: arrays in, a report out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.keeping import TOP1, keeping
from jaxanon.errors import UsageError
from jaxanon.evaluation.report import TransferReport
from jaxanon.evaluation.transfer import Roles, Shown


def measure_transfer(
    originals: Sequence[np.ndarray],
    adapted: Sequence[np.ndarray],
    ensemble: Ensemble,
    *,
    anonymized: Sequence[np.ndarray] | None = None,
    class_aware: bool = False,
    keep: str = TOP1.text,
) -> TransferReport:
    """How often classifiers decide on adapted images as on the originals.

    Those that the images were adapted to are sources, the others targets; the first one's mistakes
    are compared with the others'.

    Args:
        originals: uint8 arrays `(H, W, 3)`, of any sizes.
        adapted: the same images, adapted.
        ensemble: the classifiers, sources first.
        anonymized: the same images before adaptation, for the repair rate.
        class_aware: whether to tell the same mistake from a different one.
        keep: what a decision is, as the setting of this name has it: `top3`, say.

    Raises:
        UsageError: when the numbers of images differ, or there are none, or `keep` is nothing that
            a classifier can be held to.
    """
    shown = {Shown("original"): originals, Shown("adapted"): adapted}
    if anonymized is not None:
        shown[Shown("anonymized")] = anonymized
    counts = {each.stage: len(images) for each, images in shown.items()}
    if len(set(counts.values())) > 1 or not len(originals):
        told = ", ".join(f"{number} {stage}" for stage, number in counts.items())
        raise UsageError(f"{told}: give as many of each, and at least one")
    return TransferReport.from_decisions(
        ensemble.names,
        [each.config.num_classes for each in ensemble.classifiers],
        Roles([0]),
        {each: ensemble.decide(images, keep) for each, images in shown.items()},
        [],
        class_aware=class_aware,
        keep=keeping(keep),
    )
