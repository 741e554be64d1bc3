"""Transfer: does a classifier, source or not, decide on the adapted images as on the originals?"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.classifiers.keeping import TOP1
from jaxanon.metrics import concordance, repair_rate

Stage = Literal["original", "adapted", "anonymized"]


class Shown(NamedTuple):
    """What classifiers are shown of an image.

    Attributes:
        stage: which image.
        change: name of what happened to it since (see `evaluation.changes`); None for nothing.
    """

    stage: Stage
    change: str | None = None


Robustness = dict[str, dict[str, dict[Stage, float]]]
"""Change -> classifier -> stage -> concordance."""
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class StageShares:
    """A classifier's decisions on one kind of image, against its reference decisions.

    Attributes:
        kept: share of images on which the decision is the reference (concordance).
        same: share of images on which the decision is not the reference, but the one that the
            source was changed to; None for a classifier with another number of classes.
        different: share of images with any other decision; None where `same` is.
    """

    kept: float
    same: float | None
    different: float | None


class Roles(NamedTuple):
    """Indices of the classifiers whose decisions the images were made to keep.

    Attributes:
        sources: those that the images were adapted to, at least one.
        oracles: those that were only asked.
    """

    sources: Sequence[int]
    oracles: Sequence[int] = ()

    @property
    def all(self) -> list[int]:
        """The sources, then the oracles."""
        return [*self.sources, *self.oracles]


@dataclass(frozen=True)
class Ceiling:
    """What sources can bring a classifier, which decides otherwise on some of the originals.

    Adapted until the sources, and oracles, decide as on the original, an image hardly makes a
    classifier decide so that decided otherwise than all of them.

    Attributes:
        agreement: share of the originals on which it decides as one of them; what it can keep.
        disagreeing: number of the other images.
        kept_agreeing: concordance where they agree; None where they never do.
        kept_disagreeing: concordance where they do not; None where they always do.
    """

    agreement: float
    disagreeing: int
    kept_agreeing: float | None
    kept_disagreeing: float | None

    @classmethod
    def of(cls, sources: np.ndarray, reference: np.ndarray, adapted: np.ndarray) -> Ceiling:
        """The ceiling of a classifier.

        Args:
            sources: `(sources, images)` int, decisions of sources and oracles on the originals.
            reference: `(images,)` int, the classifier's own decisions on them.
            adapted: `(images,)` int, its decisions on the adapted images.
        """
        agree = (sources == reference).any(0)
        return cls(
            float(agree.mean()),
            int((~agree).sum()),
            concordance(reference[agree], adapted[agree]),
            concordance(reference[~agree], adapted[~agree]),
        )


@dataclass(frozen=True)
class TransferRow:
    """What transfers to one classifier.

    Attributes:
        name: name of the classifier.
        adapted: its decisions on the adapted images.
        anonymized: its decisions on the anonymized images, where they are at hand.
        repair: share of adapted images with the reference decision, among those whose decision
            the anonymizer had changed; None where there are none.
        ceiling: what the sources can bring it; None for a source, for an oracle, and for a
            classifier with another number of classes than all of them.
    """

    name: str
    adapted: StageShares
    anonymized: StageShares | None
    repair: float | None
    ceiling: Ceiling | None = None

    @property
    def reached(self) -> float | None:
        """Concordance as a share of the ceiling."""
        if self.ceiling is None or not self.ceiling.agreement:
            return None
        return self.adapted.kept / self.ceiling.agreement


def transfer(
    names: Sequence[str],
    reference: np.ndarray,
    adapted: np.ndarray,
    anonymized: np.ndarray | None,
    roles: Roles,
    classes: Sequence[int],
) -> list[TransferRow]:
    """Concordance, repair rate and the class-aware split of what is not kept.

    The split follows Waseda et al., "Closer Look at the Transferability of Adversarial Examples:
    How They Fool Different Models Differently", WACV 2023: a decision that is not kept is the
    *same* mistake if it equals the first source's decision on the changed image, else a *different*
    one. The changed image is the anonymized one, where it is given, else the adapted one. An
    image on which that source was not changed has no mistake to share: what is lost there is
    different.

    Args:
        names: names of the C classifiers.
        reference: `(C, images)` int, decisions on the originals.
        adapted: `(C, images)` int, decisions on the adapted images.
        anonymized: `(C, images)` int, decisions on the anonymized images, where they are at hand.
        roles: whose decisions the images were made to keep.
        classes: number of classes of each classifier.
    """
    source = roles.sources[0]
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
        ceiling = None
        alike = [each for each in roles.all if classes[each] == classes[c]]
        if c not in roles.all and alike:
            ceiling = Ceiling.of(reference[alike], reference[c], adapted[c])
        rows.append(TransferRow(name, stage(adapted, c), before, repair, ceiling))
    return rows


def robustness(names: Sequence[str], decisions: Mapping[Shown, np.ndarray]) -> Robustness:
    """Concordance under changes of the images.

    The reference is the decision on the original as it is. What a change alone costs is its share
    in the stage `original`.

    Args:
        names: names of the C classifiers.
        decisions: what was shown -> `(C, images)` int, the decisions on it; the original as it is
            must be among them.
    """
    reference = decisions[Shown("original")]
    result: Robustness = {}
    for shown, decided in decisions.items():
        if shown.change is None:
            continue
        shares = result.setdefault(shown.change, {})
        for name, kept in zip(names, decided == reference, strict=True):
            shares.setdefault(name, {})[shown.stage] = float(kept.mean())
    return result


def numbered(decisions: Mapping[Key, np.ndarray]) -> dict[Key, np.ndarray]:
    """Decisions of more than one class as numbers, equal where the decisions are the same.

    Args:
        decisions: what was shown -> `(C, images, n)` int, see `classifiers.keeping`.

    Returns:
        What was shown -> `(C, images)` int: all that is measured here asks which are equal.
    """
    stacked = np.stack([*decisions.values()])
    rows = stacked.reshape(-1, stacked.shape[-1])
    _, numbers = np.unique(rows, axis=0, return_inverse=True)
    return dict(zip(decisions, numbers.reshape(stacked.shape[:-1]), strict=True))


def decide_all(
    ensemble: Ensemble, images: Iterable[Mapping[Key, Views]], keep: str = TOP1.text
) -> dict[Key, np.ndarray]:
    """Decisions on a stream of images, in the ensemble's batches.

    Args:
        ensemble: C classifiers; their compiled forward passes are used.
        images: per image what was shown of it -> what each classifier sees of that; all images
            with the same keys.
        keep: what a decision is, as the setting of this name has it.

    Returns:
        What was shown -> `(C, images)` int, the decisions on it, see `Ensemble.decide`; empty
        without images.
    """
    parts: dict[Key, list[np.ndarray]] = {}
    remaining = iter(images)
    while batch := list(islice(remaining, ensemble.batch)):
        for key in batch[0]:
            decided = ensemble.decide_from_views([views[key] for views in batch], keep)
            parts.setdefault(key, []).append(decided)
    return {key: np.concatenate(decided, axis=1) for key, decided in parts.items()}
