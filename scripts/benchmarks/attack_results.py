"""What `compare_attacks.py` has measured, as its file holds it, and what is read off it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypedDict

import numpy as np
from ablation_results import interval, percent, unpacked
from attack_rows import OURS, PEERS

from jaxanon.metrics import Interval


class Measured(TypedDict):
    """What one row made of the photos of one round.

    Attributes:
        seconds: wall time of the attack alone, or of our whole run.
        cpu_seconds: the same in time of the processor, of all threads.
        steps: mean number of steps.
        gradients: mean number of gradients per image.
        psnr: mean PSNR of the saved files against the anonymized images, in dB.
        kept: classifier -> `bits` of its outcomes on the saved files.
        enlarged: the same on photos with an attack's perturbation enlarged; None for our rows.
        enlarged_psnr: PSNR of these photos against the anonymized ones; None for our rows.
        host_seconds: what the host did beside the loop, in seconds of all threads; None for peers.
    """

    seconds: float
    cpu_seconds: float
    steps: float
    gradients: float
    psnr: float
    kept: dict[str, str]
    enlarged: dict[str, str] | None
    enlarged_psnr: float | None
    host_seconds: dict[str, float] | None


class Round(TypedDict):
    """Some photos, adapted to one source by each row in turn.

    Attributes:
        source: name of the classifier that was adapted to.
        photos: their names, in the order of all `bits`.
        anonymized: classifier -> `bits` of its outcomes on the anonymized photos.
        agree: classifier -> `bits`, on which of the originals it decides as the source.
        rows: name of a row -> what it made.
    """

    source: str
    photos: list[str]
    anonymized: dict[str, str]
    agree: dict[str, str]
    rows: dict[str, Measured]


class Comparison(TypedDict):
    """All rounds with the same classifiers and anonymizer.

    Attributes:
        method: name of the anonymizer.
        strength: its strength.
        classifiers: name of each classifier -> where its weights come from.
        device: what all of it ran on.
        versions: package -> version.
        wait: how PyTorch's threads wait (`OMP_WAIT_POLICY`).
        cold: row -> seconds of its first call of one step for each source, compilation included.
        rounds: the rounds.
    """

    method: str
    strength: float
    classifiers: dict[str, str]
    device: str
    versions: dict[str, str]
    wait: str
    cold: dict[str, list[float]]
    rounds: list[Round]


Clock = Literal["seconds", "cpu_seconds"]


def rounds_of(result: Comparison, *rows: str) -> list[Round]:
    """The rounds in which all of these rows were run."""
    return [each for each in result["rounds"] if all(row in each["rows"] for row in rows)]


def rows_of(result: Comparison) -> list[str]:
    """Names of the rows that were run at all, the peers' first."""
    return [row for row in (*PEERS, *OURS) if rounds_of(result, row)]


def measured(rounds: list[Round], row: str) -> Iterator[tuple[Round, Measured]]:
    """Each round with what a row made there."""
    for each in rounds:
        yield each, each["rows"][row]


def on_targets(rounds: list[Round], kept: list[dict[str, str]]) -> np.ndarray:
    """Outcomes `(targets, photos)` of all that were not the source, round after round."""
    return np.concatenate(
        [
            np.array([unpacked(bits) for name, bits in found.items() if name != each["source"]])
            for each, found in zip(rounds, kept, strict=True)
        ],
        axis=1,
    )


def targets_of(rounds: list[Round], row: str, what: Literal["kept", "enlarged"]) -> Interval | None:
    """What targets keep with a row, in percent, with its interval over photos; None for none."""
    found = [made[what] for _, made in measured(rounds, row)]
    present = [each for each in found if each is not None]
    return interval(on_targets(rounds, present)) if present else None


def source_keeps(rounds: list[Round], row: str) -> float:
    """What the source keeps with a row, in percent."""
    found = [unpacked(made["kept"][each["source"]]) for each, made in measured(rounds, row)]
    return float(100 * np.concatenate(found).mean())


def share_of(rounds: list[Round], name: str, kept: list[dict[str, str]]) -> float | None:
    """Share of `kept` of a classifier, in percent, of rounds in which it is a target, if any."""
    found = [
        unpacked(bits[name])
        for each, bits in zip(rounds, kept, strict=True)
        if each["source"] != name
    ]
    return float(100 * np.concatenate(found).mean()) if found else None


def photos_in(rounds: list[Round]) -> int:
    """Number of photos."""
    return sum(len(each["photos"]) for each in rounds)


def seconds_per_image(rounds: list[Round], row: str, clock: Clock) -> float:
    """Time of a row over its images."""
    return sum(made[clock] for _, made in measured(rounds, row)) / photos_in(rounds)


def gradients_per_image(rounds: list[Round], row: str) -> float:
    """Mean number of gradients that a row takes of an image."""
    counts = [made["gradients"] for _, made in measured(rounds, row)]
    weights = [len(each["photos"]) for each in rounds]
    return float(np.average(counts, weights=weights))


def ratios(rounds: list[Round], row: str, base: str, clock: Clock) -> np.ndarray:
    """`(rounds,)`: time of a row over that of another, of the same photos in turn."""
    return np.array([each["rows"][row][clock] / each["rows"][base][clock] for each in rounds])


def fixed_and_per_gradient(result: Comparison) -> tuple[float, float] | None:
    """Core seconds that an image costs us whatever is done, and those of a gradient.

    The line through the costs of our rows, by least squares, on the photos that all of them saw;
    None for fewer than two rows.
    """
    rows = [row for row in OURS if rounds_of(result, row)]
    rounds = rounds_of(result, *rows)
    if len(rows) < 2 or not rounds:
        return None
    costs = [
        (gradients_per_image(rounds, row), seconds_per_image(rounds, row, "cpu_seconds"))
        for row in rows
    ]
    gradients, seconds = np.array(costs).T
    slope, fixed = np.polyfit(gradients, seconds, 1)
    return float(fixed), float(slope)


def mean_on_targets(rounds: list[Round], row: str) -> float:
    """What targets keep of saved files with a row, in percent."""
    found = targets_of(rounds, row, "kept")
    assert found is not None
    return found.mean


def equal(result: Comparison, peer: str) -> str | None:
    """Our fastest row whose targets keep at least what the peer's do on the same photos, if any."""
    found = {row: rounds_of(result, row, peer) for row in OURS}
    enough = [
        row
        for row, rounds in found.items()
        if rounds and mean_on_targets(rounds, row) >= mean_on_targets(rounds, peer)
    ]
    return min(
        enough, key=lambda row: seconds_per_image(found[row], row, "cpu_seconds"), default=None
    )


def gap(rounds: list[Round], row: str, other: str) -> Interval:
    """Points by which targets keep more with one row than with another, by photo."""
    first, second = (
        on_targets(rounds, [made["kept"] for _, made in measured(rounds, each)]).mean(0)
        for each in (row, other)
    )
    return percent(Interval.from_values(first - second))


def best_of_ours(rounds: list[Round]) -> str:
    """Our row whose targets keep most in these rounds."""
    rows = [row for row in OURS if all(row in each["rows"] for each in rounds)]
    return max(rows, key=lambda row: mean_on_targets(rounds, row))


def best_peer(result: Comparison) -> str | None:
    """The peer whose targets keep most, among those of all rounds; None where there are none.

    Of several that keep as much, the fastest.
    """
    rounds = result["rounds"]
    peers = [row for row in PEERS if rounds_of(result, row) == rounds]

    def rank(row: str) -> tuple[float, float]:
        return mean_on_targets(rounds, row), -seconds_per_image(rounds, row, "cpu_seconds")

    return max(peers, key=rank, default=None)
