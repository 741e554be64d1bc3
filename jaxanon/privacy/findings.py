"""What published images tell of the originals: measured, before and after adaptation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from jaxanon.metrics import Interval
from jaxanon.privacy.examine import Variant
from jaxanon.privacy.features import (
    DecisionFeatures,
    Distances,
    FaceFeatures,
    Features,
    LogitFeatures,
    PixelFeatures,
    with_decisions,
)
from jaxanon.privacy.identification import RANKS, compare, hits
from jaxanon.privacy.measurements import Measurements
from jaxanon.privacy.report import (
    WITH_DECISIONS,
    FaceDetection,
    Findings,
    RankShares,
    Reidentification,
    as_json,
)

PROBES_AT_ONCE = 256
"""Probes compared with the gallery at once: all of them would need memory by the square."""
ORIGINAL = 0
"""Index of the original among the variants of an image."""
ANONYMIZED, ADAPTED = Variant("anonymized"), Variant("adapted")

Stages = dict[Literal["anonymized", "told", "adapted"], Distances]
"""What the attacker has (see `RankShares`) -> distances of such probes to the gallery."""


def findings(
    measurements: Measurements,
    groups: Mapping[str, Sequence[int]],
    sources: Sequence[int],
    probes_at_once: int = PROBES_AT_ONCE,
) -> Findings:
    """The figures of the privacy report.

    Args:
        measurements: of all images.
        groups: name -> indices of the classifiers whose logits together are one kind of features.
        sources: indices of the classifiers whose decisions the adapted images keep; none where
            they are not all at hand, and attackers who know the decisions are left out.
        probes_at_once: probes compared with the gallery at once, which bounds the memory.
    """
    logits = measurements.logits
    decisions = DecisionFeatures([logits[c] for c in sources]) if sources else None
    search = _Search(measurements, decisions, probes_at_once)
    images = np.arange(len(measurements.thumbnails))
    rows = []
    for name, members in groups.items():
        rows += search.by_features(name, LogitFeatures([logits[c] for c in members]), images)
    rows += search.by_features("pixels", PixelFeatures(measurements.thumbnails), images)
    if measurements.faces is not None:
        faces = FaceFeatures(measurements.faces)
        rows += search.by_features("faces", faces, measurements.image_of_face)
    rows += search.by_decisions() + search.by_method()
    return {
        "similarity": {
            stage: {
                measure: as_json(Interval.from_values(values))
                for measure, values in measures.items()
            }
            for stage, measures in measurements.likeness.items()
        },
        "faces": _detection(measurements),
        "reidentification": rows,
    }


def _detection(measurements: Measurements) -> FaceDetection | None:
    """Shares of the originals' faces that the detector still finds."""
    if measurements.faces is None:
        return None
    found = {stage: values.astype(float) for stage, values in measurements.found.items()}
    shares = {stage: as_json(Interval.from_shares(values)) for stage, values in found.items()}
    result = cast(FaceDetection, {"faces": len(measurements.image_of_face), **shares})
    if "anonymized" in found:
        result["difference"] = compare(found["anonymized"], found["adapted"])
    return result


@dataclass(frozen=True)
class _Search:
    """Looks for the originals of published images, in every way that an attacker may.

    Attributes:
        measurements: of all images.
        decisions: of the sources; None where they are not all at hand.
        probes_at_once: probes compared with the gallery at once.
    """

    measurements: Measurements
    decisions: DecisionFeatures | None
    probes_at_once: int

    @property
    def images(self) -> np.ndarray:
        """`(images,)` int, the indices of the images."""
        return np.arange(len(self.measurements.thumbnails))

    @property
    def true_decisions(self) -> Distances | None:
        """Distances of an attacker who knows the sources' decisions on each probe's original."""
        return None if self.decisions is None else self.decisions.distances(ORIGINAL, ORIGINAL)

    def by_features(
        self, name: str, features: Features, image_of: np.ndarray
    ) -> list[Reidentification]:
        """One row per attack: the originals that are nearest by these features.

        Args:
            name: what the report calls the features.
            features: of images or of faces.
            image_of: `(probes,)` int, the image of each probe.
        """
        data = self.measurements
        rows = []
        for attack in dict.fromkeys(variant.attack for variant in data.variants[1:]):
            stages: Stages = {}
            # One published copy of an anonymized image is all there is to average.
            anonymized = Variant("anonymized", "none" if attack == "average" else attack)
            if anonymized in data.variants:
                before = features.distances(data.index(anonymized), ORIGINAL)
                stages["anonymized"] = before
                if (decisions := self.true_decisions) is not None:
                    stages[WITH_DECISIONS] = with_decisions(before, decisions, image_of)
            adapted = data.index(Variant("adapted", attack))
            stages["adapted"] = features.distances(adapted, ORIGINAL)
            rows.append(self._row(name, attack, stages, len(image_of)))
        return rows

    def by_decisions(self) -> list[Reidentification]:
        """For who knows the classifiers: originals on which they decide as on the published image.

        No row where the sources are not all at hand.
        """
        if self.decisions is None or self.true_decisions is None:
            return []
        stages: Stages = {}
        if ANONYMIZED in self.measurements.variants:
            anonymized = self.measurements.index(ANONYMIZED)
            stages["anonymized"] = self.decisions.distances(anonymized, ORIGINAL)
        stages["adapted"] = self.decisions.distances(self.measurements.index(ADAPTED), ORIGINAL)
        if "anonymized" in stages:
            stages[WITH_DECISIONS] = self.true_decisions
        return [self._row("decisions", "classifiers known", stages, len(self.images))]

    def by_method(self) -> list[Reidentification]:
        """For who knows the anonymizer: originals that, anonymized, are nearest by pixels.

        A second row is for who knows the classifiers too, and looks first among originals on
        which they decide as on the published image. No row without anonymized images.
        """
        data, images = self.measurements, self.images
        if ANONYMIZED not in data.variants:
            return []
        pixels = PixelFeatures(data.thumbnails)
        gallery, adapted = data.index(ANONYMIZED), data.index(ADAPTED)
        before, after = pixels.distances(gallery, gallery), pixels.distances(adapted, gallery)
        stages: Stages = {"anonymized": before, "adapted": after}
        if self.decisions is None or self.true_decisions is None:
            return [self._row("pixels", "method known", stages, len(images))]
        stages[WITH_DECISIONS] = with_decisions(before, self.true_decisions, images)
        decided = self.decisions.distances(adapted, ORIGINAL)
        both: Stages = {**stages, "adapted": with_decisions(after, decided, images)}
        known = "method and classifiers known"
        return [
            self._row("pixels", "method known", stages, len(images)),
            self._row("pixels and decisions", known, both, len(images)),
        ]

    def _row(self, features: str, attack: str, stages: Stages, count: int) -> Reidentification:
        """Shares of the probes whose original comes first, or among the first five."""
        found = {stage: self._hits(distances, count) for stage, distances in stages.items()}
        first, fifth = (
            _shares({stage: by_rank[most] for stage, by_rank in found.items()}, most / count)
            for most in RANKS
        )
        return {
            "features": features,
            "attack": attack,
            "gallery": count,
            "rank1": first,
            "rank5": fifth,
        }

    def _hits(self, distances: Distances, count: int) -> dict[int, np.ndarray]:
        """Rank -> `(count,)`, each probe's chance that its original is among so many nearest."""
        parts: dict[int, list[np.ndarray]] = {most: [] for most in RANKS}
        for start in range(0, count, self.probes_at_once):
            probes = np.arange(start, min(start + self.probes_at_once, count))
            gaps = distances(probes)
            for most, part in parts.items():
                part.append(hits(gaps, probes, most))
        return {most: np.concatenate(part) for most, part in parts.items()}


def _shares(found: Mapping[str, np.ndarray], chance: float) -> RankShares:
    """Shares, comparisons and the chance of a guess, from hits `(probes,)` per stage."""
    shares = {stage: as_json(Interval.from_shares(values)) for stage, values in found.items()}
    entry = cast(RankShares, {**shares, "chance": round(min(1.0, chance), 4)})
    if "anonymized" in found:
        entry["difference"] = compare(found["anonymized"], found["adapted"])
    if WITH_DECISIONS in found:
        entry["beyond_decisions"] = compare(found[WITH_DECISIONS], found["adapted"])
    return entry
