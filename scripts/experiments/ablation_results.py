"""What `ablate_transfer.py` has measured, as its file holds it, and what is read off it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NotRequired, TypedDict

import numpy as np

from jaxanon.metrics import Interval

BASE = "signs"
"""The row that the others are compared with, most of which change it."""
PRESET = "transfer"
"""The row of the preset that is to transfer, which the summary is about."""


class MeasuredRun(TypedDict):
    """One adaptation of all photos.

    Attributes:
        sources: names of the classifiers that were adapted to.
        seed: seed of the random transforms.
        gradients: mean number of gradients of one source per image.
        psnr: mean PSNR of the saved files against the anonymized images, in dB.
        ssim: mean SSIM of the two; older records have none.
        ciede: mean CIEDE2000 of the two, over all pixels; older records have none.
        anonymized: classifier -> `bits` of its outcomes on the anonymized photos.
        adapted: classifier -> `bits` of its outcomes on the saved files.
        under: change of the saved files -> per source `bits` of its outcomes.
    """

    sources: list[str]
    seed: int
    gradients: float
    psnr: float
    ssim: NotRequired[float]
    ciede: NotRequired[float]
    anonymized: dict[str, str]
    adapted: dict[str, str]
    under: dict[str, list[str]]


class MeasuredRow(TypedDict):
    """One method, for all seeds and sets of sources.

    Attributes:
        settings: settings of the loop but for the seed.
        seconds: time that all runs took.
        runs: one per seed and set of sources.
    """

    settings: dict[str, object]
    seconds: float
    runs: list[MeasuredRun]


class Ablation(TypedDict):
    """All methods on the same photos.

    Attributes:
        photos: names of the photos, in the order of all `bits`.
        method: name of the anonymizer.
        strength: strength of the anonymizer; None where it has none.
        number: number of sources at once.
        classifiers: name of each classifier -> where its weights come from.
        decisions: name of each classifier -> the numbers of the classes that it decides on for the
            originals, with spaces between.
        rows: name of a method -> what was measured.
    """

    photos: list[str]
    method: str
    strength: float | None
    number: int
    classifiers: dict[str, str]
    decisions: dict[str, str]
    rows: dict[str, MeasuredRow]


Stage = Literal["anonymized", "adapted"]


def bits(kept: np.ndarray) -> str:
    """Outcomes `(photos,)` bool as text: 1 per photo with the reference decision, else 0."""
    return "".join(map(str, kept.astype(int)))


def unpacked(text: str) -> np.ndarray:
    """Outcomes `(photos,)` bool from the text that `bits` makes of them."""
    return np.array([character == "1" for character in text])


def decided(row: MeasuredRow, stage: Stage) -> Iterator[tuple[list[str], str, np.ndarray]]:
    """For each run and classifier: the sources, its name, and its outcomes `(photos,)`."""
    for run in row["runs"]:
        for name, kept in run[stage].items():
            yield run["sources"], name, unpacked(kept)


def outcomes(row: MeasuredRow, stage: Stage, *, targets: bool) -> np.ndarray:
    """Outcomes `(pairs, photos)`, of each run and each of its targets (or else sources)."""
    return np.array([k for sources, n, k in decided(row, stage) if (n in sources) != targets])


def after(row: MeasuredRow, change: str) -> np.ndarray:
    """Outcomes `(sources of all runs, photos)` after a change of the saved files."""
    return np.array([unpacked(kept) for run in row["runs"] for kept in run["under"][change]])


def interval(kept: np.ndarray) -> Interval:
    """Mean of `(pairs, photos)` in percent, and its interval over photos.

    The pairs of one photo go together.
    """
    return percent(Interval.from_values(kept.mean(0)))


def text_of(kept: np.ndarray) -> str:
    """The `interval` of `(pairs, photos)` as tables show it."""
    found = interval(kept)
    return f"{found.mean:.1f} ({found.low:.0f}-{found.high:.0f})"


def percent(found: Interval) -> Interval:
    """An interval of shares in percent."""
    return Interval(100 * found.mean, 100 * found.low, 100 * found.high)


def ceiling(result: Ablation, sources: Sequence[str], target: str) -> np.ndarray:
    """Photos on whose originals a target decides as one of the sources at least; `(photos,)` bool.

    On the others nobody leads the target to its own decision: more can hardly be kept.
    """
    numbers = {name: np.array(text.split()) for name, text in result["decisions"].items()}
    agreeing: np.ndarray = np.any([numbers[name] == numbers[target] for name in sources], 0)
    return agreeing


def ceilings(result: Ablation, row: MeasuredRow) -> np.ndarray:
    """The `ceiling` of each run and each of its targets, `(pairs, photos)` bool, as `outcomes`."""
    return np.array(
        [
            ceiling(result, sources, name)
            for sources, name, _ in decided(row, "adapted")
            if name not in sources
        ]
    )


def gradients_of(row: MeasuredRow) -> float:
    """Gradients of one source per image, on average."""
    return float(np.mean([run["gradients"] for run in row["runs"]]))


def title_of(result: Ablation) -> str:
    """What was measured, in one line."""
    strength = "" if result["strength"] is None else f" {result['strength']:g}"
    sources = "one source" if result["number"] == 1 else f"{result['number']} sources"
    return f"{result['method']}{strength}, {sources}, {len(result['photos'])} photos"


def short(name: str) -> str:
    """A classifier's name without its tag."""
    return name.split(".")[0]


def names_of(result: Ablation) -> str:
    """The classifiers, without their tags."""
    return ", ".join(map(short, result["classifiers"]))
