"""Class-aware transferability: do classifiers make the same mistakes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Split:
    """Shares of images by what a classifier makes of them; their sum is one.

    Attributes:
        unfooled: it makes its reference decision.
        different: it makes a mistake, but not the source's.
        same: it makes the source's mistake.
    """

    unfooled: float
    different: float
    same: float

    @property
    def non_targeted(self) -> float:
        """Share that transfers, if every mistake counts."""
        return 1 - self.unfooled

    @property
    def targeted(self) -> float:
        """Share that transfers, if the same mistake alone counts."""
        return self.same


@dataclass(frozen=True)
class Mistakes:
    """A classifier's row.

    Attributes:
        name: the classifier's.
        split: on the adapted (or attacked) images.
        baseline: on the images before that; after an attack on originals all are unfooled.
    """

    name: str
    split: Split
    baseline: Split

    def as_json(self) -> dict[str, Any]:
        """All three definitions, for a report."""
        return {
            "name": self.name,
            **{
                stage: {
                    "non_targeted": split.non_targeted,
                    "targeted": split.targeted,
                    "class_aware": asdict(split),
                }
                for stage, split in (("split", self.split), ("baseline", self.baseline))
            },
        }


def mistakes(
    names: Sequence[str],
    reference: np.ndarray,
    adapted: np.ndarray,
    anonymized: np.ndarray | None,
    source: int,
    classes: Sequence[int],
) -> tuple[int, list[Mistakes]]:
    """The split of Waseda et al., over the images that fool the source.

    Source: "Closer Look at the Transferability of Adversarial Examples: How They Fool Different
    Models Differently", WACV 2023. What fools the source are the anonymized images, where they are
    given (the anonymizer is the attack, and adaptation is to undo it), else the adapted ones (an
    attack). A decision is right where it is the classifier's own reference decision.

    Args:
        names: of the classifiers, C.
        reference: `(C, images)` int, decisions on the originals.
        adapted: the same on the adapted, or attacked, images.
        anonymized: the same on the anonymized images, if there are any.
        source: index of the classifier whose mistakes are compared with.
        classes: number of classes of each; those that differ from the source's are left out, for
            their classes have other meanings.

    Returns:
        The number of images that fool the source, and a row per classifier; none without images.
    """
    fooling = adapted if anonymized is None else anonymized
    before = reference if anonymized is None else anonymized
    fooled = fooling[source] != reference[source]
    count = int(fooled.sum())
    mistake = fooling[source][fooled]

    def split(decisions: np.ndarray, c: int) -> Split:
        made, right = decisions[c][fooled], reference[c][fooled]
        same = (made != right) & (made == mistake)
        different = (made != right) & (made != mistake)
        return Split(*(float(part.mean()) for part in (made == right, different, same)))

    if not count:
        return 0, []
    return count, [
        Mistakes(name, split(adapted, c), split(before, c))
        for c, name in enumerate(names)
        if classes[c] == classes[source]
    ]
