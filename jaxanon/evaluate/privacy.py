"""What published images tell of the originals: measured, before and after adaptation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from jaxanon.ensemble import Ensemble
from jaxanon.evaluate.examine import Column, Seen
from jaxanon.evaluate.reidentify import RANKS, Interval, compare, distances, hits

FAR = 1e3
"""Added per decision that differs, to distances that are at most two."""


@dataclass(frozen=True)
class Gathered:
    """What was measured on all images, `n` of them.

    Attributes:
        columns: what stands in each place below; the first is the original.
        logits: per classifier `(n, columns, classes)`.
        thumbnails: `(n, columns, d)`.
        faces: `(faces, columns, 128)` embeddings; None where faces were not looked at.
        of_image: `(faces,)` int, the image of each face.
        found: stage -> `(faces,)` bool, whether the detector finds the face there.
        likeness: stage -> measure -> `(n,)`.
    """

    columns: tuple[Column, ...]
    logits: tuple[np.ndarray, ...]
    thumbnails: np.ndarray
    faces: np.ndarray | None
    of_image: np.ndarray
    found: Mapping[str, np.ndarray]
    likeness: Mapping[str, Mapping[str, np.ndarray]]


def gather(ensemble: Ensemble, columns: Sequence[Column], images: Iterable[Seen]) -> Gathered:
    """Ask every classifier about every picture, in the ensemble's batches.

    Raises:
        ValueError: when there is no image.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    seen: list[Seen] = []
    source = iter(images)
    while batch := list(islice(source, ensemble.batch)):
        scores = [
            ensemble.logits_of(views) for views in zip(*(one.views for one in batch), strict=True)
        ]
        parts.append(tuple(np.stack(made, 1) for made in zip(*scores, strict=True)))
        seen += [one.without_views() for one in batch]
    if not seen:
        raise ValueError("no image")
    faces = [face for one in seen for face in one.faces or ()]
    return Gathered(
        columns=tuple(columns),
        logits=tuple(np.concatenate(rows) for rows in zip(*parts, strict=True)),
        thumbnails=np.stack([one.thumbnails for one in seen]),
        faces=np.stack([face.embeddings for face in faces]) if faces else None,
        of_image=np.array([i for i, one in enumerate(seen) for _ in one.faces or ()], int),
        found={
            stage: np.array([face.found[stage] for face in faces], bool)
            for stage in (faces[0].found if faces else ())
        },
        likeness={
            stage: {
                measure: np.array([one.likeness[stage][measure] for one in seen])
                for measure in measures
            }
            for stage, measures in seen[0].likeness.items()
        },
    )


def findings(
    gathered: Gathered, groups: Mapping[str, Sequence[int]], sources: Sequence[int]
) -> dict[str, Any]:
    """The report's figures.

    Args:
        gathered: measurements.
        groups: name -> the classifiers (by place) whose logits together are one kind of features.
        sources: those whose decisions the adapted images keep; none where they are not among the
            classifiers, and what is told by decisions cannot be compared.
    """
    everyone = np.arange(len(gathered.thumbnails))
    told = _mismatches(gathered, sources, 0, 0) if sources else None
    rows = []
    for name, places in groups.items():
        rows += _by_features(gathered, name, places, everyone, told)
    rows += _by_features(gathered, "pixels", None, everyone, told)
    if gathered.faces is not None:
        ours = gathered.of_image
        told_of_faces = None if told is None else told[ours[:, None], ours]
        rows += _by_features(gathered, "faces", (), ours, told_of_faces)
    if told is not None:
        rows += _by_decisions(gathered, sources, everyone, told)
    rows += _by_method(gathered, everyone, told)
    return {
        "similarity": {
            stage: {measure: Interval.of(values).as_json() for measure, values in measures.items()}
            for stage, measures in gathered.likeness.items()
        },
        "faces": _detection(gathered),
        "reidentification": rows,
    }


def _detection(gathered: Gathered) -> dict[str, Any] | None:
    """Faces of the originals that the detector still finds."""
    if gathered.faces is None:
        return None
    found = {stage: values.astype(float) for stage, values in gathered.found.items()}
    result: dict[str, Any] = {"faces": len(gathered.of_image)}
    result |= {stage: Interval.of(values).as_json() for stage, values in found.items()}
    if "anonymized" in found:
        result["difference"] = compare(found["anonymized"], found["adapted"])
    return result


def _apart(
    gathered: Gathered, places: Sequence[int] | None, probe: int, gallery: int
) -> np.ndarray:
    """Distances between two columns: by classifiers (their places), faces (none), pixels (None)."""
    if places is None:
        return distances(gathered.thumbnails[:, probe], gathered.thumbnails[:, gallery])
    if not places:
        assert gathered.faces is not None
        a, b = gathered.faces[:, probe], gathered.faces[:, gallery]
        squares = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
        return np.asarray(np.sqrt(np.maximum(squares, 0)))
    scores = [gathered.logits[place] for place in places]
    return np.asarray(np.mean([distances(s[:, probe], s[:, gallery]) for s in scores], 0))


def _mismatches(gathered: Gathered, places: Sequence[int], probe: int, gallery: int) -> np.ndarray:
    """How many of the classifiers decide otherwise on the probe than on the gallery's image."""
    tops = [gathered.logits[place].argmax(-1) for place in places]
    return np.asarray(
        np.sum([top[:, probe][:, None] != top[:, gallery] for top in tops], 0, dtype=float)
    )


def _by_features(
    gathered: Gathered,
    name: str,
    places: Sequence[int] | None,
    own_image: np.ndarray,
    told: np.ndarray | None,
) -> list[dict[str, Any]]:
    """One row per attack: nearest originals by such features."""
    rows = []
    at = {column: i for i, column in enumerate(gathered.columns)}
    for attack in dict.fromkeys(column.attack for column in gathered.columns[1:]):
        stages: dict[str, np.ndarray] = {}
        # One published copy of an anonymized image is all there is to average.
        same = Column("anonymized", "none" if attack == "average" else attack)
        if same in at:
            stages["anonymized"] = _apart(gathered, places, at[same], 0)
            if told is not None:
                stages["told"] = stages["anonymized"] + FAR * told
        stages["adapted"] = _apart(gathered, places, at[Column("adapted", attack)], 0)
        rows.append(_row(name, attack, stages, len(own_image)))
    return rows


def _by_decisions(
    gathered: Gathered, places: Sequence[int], everyone: np.ndarray, told: np.ndarray
) -> list[dict[str, Any]]:
    """Knowing the classifiers: originals on which they decide as on the published image."""
    stages = {
        column.stage: _mismatches(gathered, places, i, 0)
        for i, column in enumerate(gathered.columns)
        if i and column.attack == "none"
    }
    if "anonymized" in stages:
        stages["told"] = told
    return [_row("decisions", "classifiers known", stages, len(everyone))]


def _by_method(
    gathered: Gathered, everyone: np.ndarray, told: np.ndarray | None
) -> list[dict[str, Any]]:
    """Knowing the method too: the attacker anonymizes the originals, and compares with that."""
    at = {column: i for i, column in enumerate(gathered.columns)}
    gallery = at.get(Column("anonymized", "none"))
    if gallery is None:
        return []
    before = _apart(gathered, None, gallery, gallery)
    after = _apart(gathered, None, at[Column("adapted", "none")], gallery)
    stages = {"anonymized": before, "adapted": after}
    if told is not None:
        stages["told"] = before + FAR * told
    return [_row("pixels", "method known", stages, len(everyone))]


def _row(
    features: str, attack: str, stages: Mapping[str, np.ndarray], count: int
) -> dict[str, Any]:
    """Shares of the probes whose original comes first, or among the first five."""
    own = np.arange(count)
    row: dict[str, Any] = {"features": features, "attack": attack, "gallery": count}
    for most in RANKS:
        got = {stage: hits(apart, own, most) for stage, apart in stages.items()}
        entry: dict[str, Any] = {
            stage: Interval.of(values).as_json() for stage, values in got.items()
        }
        for name, stage in (("difference", "anonymized"), ("beyond_decisions", "told")):
            if stage in got:
                entry[name] = compare(got[stage], got["adapted"])
        row[f"rank{most}"] = entry
    return row
