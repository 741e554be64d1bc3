"""What published images tell of the originals: measured, before and after adaptation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.privacy.examine import Column, Seen
from jaxanon.privacy.identification import RANKS, Interval, compare, directions, euclidean, hits

FAR = 1e3
"""Added per decision that differs, to distances that are at most two."""
PROBES = 256
"""Probes compared with the gallery at once: all of them would need memory by the square."""

Apart = Callable[[np.ndarray], np.ndarray]
"""Places of probes, `(probes,)` int -> their distances to the gallery, `(probes, gallery)`."""


class NothingToCompareError(Exception):
    """There was no image."""


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
        NothingToCompareError: when there is no image.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    seen: list[Seen] = []
    source = iter(images)
    while batch := list(islice(source, ensemble.batch)):
        scores = [
            ensemble.logits_from_views(views)
            for views in zip(*(one.views for one in batch), strict=True)
        ]
        parts.append(tuple(np.stack(made, 1) for made in zip(*scores, strict=True)))
        seen += [one.without_views() for one in batch]
    if not seen:
        raise NothingToCompareError
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
        rows += _by_features(gathered, "faces", (), ours, told)
    if told is not None:
        rows += _by_decisions(gathered, sources, len(everyone), told)
    rows += _by_method(gathered, sources, len(everyone), told)
    return {
        "similarity": {
            stage: {
                measure: Interval.from_values(values).as_json()
                for measure, values in measures.items()
            }
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
    result |= {stage: Interval.from_shares(values).as_json() for stage, values in found.items()}
    if "anonymized" in found:
        result["difference"] = compare(found["anonymized"], found["adapted"])
    return result


def _apart(gathered: Gathered, places: Sequence[int] | None, probe: int, gallery: int) -> Apart:
    """Distances between two columns: by classifiers (their places), faces (none), pixels (None)."""
    if places is None:
        kinds = [gathered.thumbnails]
    elif places:
        kinds = [gathered.logits[place] for place in places]
    else:
        assert gathered.faces is not None
        faces = gathered.faces
        return lambda rows: euclidean(faces[rows, probe], faces[:, gallery])
    every = [directions(kind[:, gallery]) for kind in kinds]

    def correlated(rows: np.ndarray) -> np.ndarray:
        pairs = zip(kinds, every, strict=True)
        return np.asarray(
            1 - np.mean([directions(kind[rows, probe]) @ other.T for kind, other in pairs], 0)
        )

    return correlated


def _mismatches(gathered: Gathered, places: Sequence[int], probe: int, gallery: int) -> Apart:
    """How many of the classifiers decide otherwise on the probe than on the gallery's image."""
    tops = [gathered.logits[place].argmax(-1) for place in places]
    return lambda rows: np.sum(
        [top[rows, probe][:, None] != top[:, gallery] for top in tops], 0, dtype=float
    )


def _with_decisions(apart: Apart, told: Apart, own_image: np.ndarray) -> Apart:
    """Distances of an attacker who knows the decisions on each probe's original too."""
    return lambda rows: apart(rows) + FAR * told(own_image[rows])[:, own_image]


def _by_features(
    gathered: Gathered,
    name: str,
    places: Sequence[int] | None,
    own_image: np.ndarray,
    told: Apart | None,
) -> list[dict[str, Any]]:
    """One row per attack: nearest originals by such features."""
    rows = []
    at = {column: i for i, column in enumerate(gathered.columns)}
    for attack in dict.fromkeys(column.attack for column in gathered.columns[1:]):
        stages: dict[str, Apart] = {}
        # One published copy of an anonymized image is all there is to average.
        same = Column("anonymized", "none" if attack == "average" else attack)
        if same in at:
            stages["anonymized"] = before = _apart(gathered, places, at[same], 0)
            if told is not None:
                stages["told"] = _with_decisions(before, told, own_image)
        stages["adapted"] = _apart(gathered, places, at[Column("adapted", attack)], 0)
        rows.append(_row(name, attack, stages, len(own_image)))
    return rows


def _by_decisions(
    gathered: Gathered, places: Sequence[int], count: int, told: Apart
) -> list[dict[str, Any]]:
    """Knowing the classifiers: originals on which they decide as on the published image."""
    stages = {
        column.stage: _mismatches(gathered, places, i, 0)
        for i, column in enumerate(gathered.columns)
        if i and column.attack == "none"
    }
    if "anonymized" in stages:
        stages["told"] = told
    return [_row("decisions", "classifiers known", stages, count)]


def _by_method(
    gathered: Gathered, sources: Sequence[int], count: int, told: Apart | None
) -> list[dict[str, Any]]:
    """Knowing the method: the attacker anonymizes the originals, and compares with that.

    Knowing the classifiers too, first with those on which they decide as on the published image.
    """
    at = {column: i for i, column in enumerate(gathered.columns)}
    gallery = at.get(Column("anonymized", "none"))
    if gallery is None:
        return []
    place = at[Column("adapted", "none")]
    before = _apart(gathered, None, gallery, gallery)
    after = _apart(gathered, None, place, gallery)
    stages = {"anonymized": before, "adapted": after}
    if told is None:
        return [_row("pixels", "method known", stages, count)]
    stages["told"] = _with_decisions(before, told, np.arange(count))
    decided = _mismatches(gathered, sources, place, 0)
    both = {**stages, "adapted": _with_decisions(after, decided, np.arange(count))}
    return [
        _row("pixels", "method known", stages, count),
        _row("pixels and decisions", "method and classifiers known", both, count),
    ]


def _row(features: str, attack: str, stages: Mapping[str, Apart], count: int) -> dict[str, Any]:
    """Shares of the probes whose original comes first, or among the first five."""
    row: dict[str, Any] = {"features": features, "attack": attack, "gallery": count}
    found = {stage: _hits(apart, count) for stage, apart in stages.items()}
    for most in RANKS:
        got = {stage: by_rank[most] for stage, by_rank in found.items()}
        entry: dict[str, Any] = {
            stage: Interval.from_shares(values).as_json() for stage, values in got.items()
        }
        entry["chance"] = round(min(1.0, most / count), 4)
        for name, stage in (("difference", "anonymized"), ("beyond_decisions", "told")):
            if stage in got:
                entry[name] = compare(got[stage], got["adapted"])
        row[f"rank{most}"] = entry
    return row


def _hits(apart: Apart, count: int) -> dict[int, np.ndarray]:
    """Rank -> `(count,)`, the chance of each probe that its original is among so many nearest."""
    parts: dict[int, list[np.ndarray]] = {most: [] for most in RANKS}
    for start in range(0, count, PROBES):
        rows = np.arange(start, min(start + PROBES, count))
        gaps = apart(rows)
        for most, got in parts.items():
            got.append(hits(gaps, rows, most))
    return {most: np.concatenate(got) for most, got in parts.items()}
