"""What classifiers decide on an image at each stage, as journals and reports have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    import numpy as np

    from jaxanon.classifiers.config import Classes
    from jaxanon.classifiers.keeping import Keep

Stage = Literal["reference", "anonymized", "adapted"]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""Which images a classifier decides on."""
DecisionRow = Mapping[str, Any]
"""{"reference": class, "anonymized": class, "adapted": class}. Where more than the class of the
largest logit is to be kept, "classes" stands beside these: stage -> numbers of the classes that are
compared, see `jaxanon.classifiers.keeping.Keep.listed`."""
Decisions = dict[str, DecisionRow]
"""Classifier -> its decisions."""


def noted(
    row: DecisionRow, stage: Stage, logits: np.ndarray, keep: Keep, classes: Classes
) -> DecisionRow:
    """What a classifier decides, with its decision on one more image.

    Args:
        row: what is known of it.
        stage: which image.
        logits: the classifier's on that, `(classes,)`.
        keep: what is to be kept.
        classes: what is known of the classifier's classes.
    """
    result = {**row, stage: int(logits.argmax())}
    several = result.pop("classes", {})
    if keep.several:
        result["classes"] = {**several, stage: keep.listed(keep.decide(logits, classes))}
    return result


def compared(row: DecisionRow, stage: Stage) -> int | list[int]:
    """What is compared of a classifier's decision: equal to the reference's where it is kept."""
    found: int | list[int] = row.get("classes", row)[stage]
    return found
