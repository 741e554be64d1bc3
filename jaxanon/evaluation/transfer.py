"""Transfer: does a classifier, source or not, understand the adapted images?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import numpy as np

from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.evaluation.concordance import repair_rate


@dataclass(frozen=True)
class StageShares:
    """A classifier's decisions on one kind of image, against its reference decisions.

    Attributes:
        kept: share of images on which the decision is the reference (concordance).
        same: share on which it is not, and equals the decision that the source was changed to.
        different: share on which it is another one.

    The last two are None for a classifier with another number of classes than the source's.
    """

    kept: float
    same: float | None
    different: float | None


@dataclass(frozen=True)
class Transfer:
    """One classifier's row: its stages, and the repair rate (None where nothing was lost)."""

    name: str
    adapted: StageShares
    anonymized: StageShares | None
    repair: float | None


def transfer(
    names: Sequence[str],
    reference: np.ndarray,
    adapted: np.ndarray,
    anonymized: np.ndarray | None,
    source: int,
    classes: Sequence[int],
) -> list[Transfer]:
    """Concordance, repair rate and the class-aware split of what is not kept.

    The split follows Waseda et al., "Closer Look at the Transferability of Adversarial Examples:
    How They Fool Different Models Differently", WACV 2023: a decision that is not kept is the
    *same* mistake if it equals the source's decision on the changed image, else a *different*
    one. The changed image is the anonymized one, where it is given, else the adapted one. An
    image on which the source was not changed has no mistake to share: what is lost there is
    different.

    Args:
        names: of the classifiers, C.
        reference: `(C, images)` int, decisions on the originals.
        adapted: the same on the adapted images.
        anonymized: the same on the anonymized images, if known.
        source: index of the classifier whose change is compared with.
        classes: number of classes of each classifier.
    """
    changed = (adapted if anonymized is None else anonymized)[source]
    mistaken = changed != reference[source]

    def stage(decisions: np.ndarray, c: int) -> StageShares:
        kept = decisions[c] == reference[c]
        if classes[c] != classes[source]:
            return StageShares(float(kept.mean()), None, None)
        same = ~kept & mistaken & (decisions[c] == changed)
        return StageShares(float(kept.mean()), float(same.mean()), float((~kept & ~same).mean()))

    rows = []
    for c, name in enumerate(names):
        before, repair = None, None
        if anonymized is not None:
            before = stage(anonymized, c)
            repair = repair_rate(reference[c], anonymized[c], adapted[c])
        rows.append(Transfer(name, stage(adapted, c), before, repair))
    return rows


def robustness(
    changes: Sequence[str], names: Sequence[str], decided: Sequence[np.ndarray], stages: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Change -> classifier -> stage -> share of decisions kept under the change.

    The reference is the decision on the original as it is. What the change alone costs stands
    beside it, in the stage `original`.

    Args:
        changes: their names.
        names: of the classifiers, C.
        decided: `(C, images)` int for each stage (original, adapted, perhaps anonymized) as it is,
            then for each stage under each change.
        stages: their number.
    """
    reference = decided[0]
    return {
        change: {
            name: {
                stage: float((decided[stages * k + s][c] == reference[c]).mean())
                for s, stage in enumerate(("original", "adapted", "anonymized")[:stages])
            }
            for c, name in enumerate(names)
        }
        for k, change in enumerate(changes, 1)
    }


def decide_all(ensemble: Ensemble, groups: Iterable[tuple[Views, ...]]) -> tuple[np.ndarray, ...]:
    """Decisions on streams of images: tuples of views -> one `(C, images)` array per place.

    Images are decided on in the ensemble's batches, through its compiled forward passes.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    source = iter(groups)
    while batch := list(islice(source, ensemble.batch)):
        parts.append(tuple(ensemble.decide_from_views(views) for views in zip(*batch, strict=True)))
    return tuple(np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True))


def as_json(rows: Sequence[Transfer], source: str, images: int, failed: Sequence[str]) -> Any:
    """The result as the command writes it."""
    return {
        "schema": 1,
        "source": source,
        "images": images,
        "failed": list(failed),
        "classifiers": [asdict(row) for row in rows],
    }
