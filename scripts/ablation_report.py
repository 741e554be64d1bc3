"""Figures, tables and a plot of what `ablate_transfer.py` has measured.

python scripts/ablation_report.py docs/benchmarks/transfer.json    # all tables, as Markdown
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon.tables import table

DRAWS = 2000
"""Of the bootstrap."""


def bits(kept: np.ndarray) -> str:
    """One character per photo, 1 where the decision is kept."""
    return "".join(map(str, kept.astype(int)))


def unpacked(text: str) -> np.ndarray:
    """`bits` undone."""
    return np.array([character == "1" for character in text])


def outcomes(row: dict[str, Any], stage: str, *, targets: bool) -> np.ndarray:
    """`(pairs, photos)` bool: for each seed, set of sources, and target (or source) of it."""
    return np.array(
        [
            unpacked(kept)
            for run in row["runs"]
            for name, kept in run[stage].items()
            if (name in run["sources"]) != targets
        ]
    )


def after(row: dict[str, Any], change: str) -> np.ndarray:
    """`(sources of all runs, photos)` bool: kept after a change of the saved file."""
    return np.array([unpacked(kept) for run in row["runs"] for kept in run["under"][change]])


def interval(outcome: np.ndarray) -> tuple[float, float, float]:
    """Mean, and the bounds of its 95 % bootstrap interval over photos."""
    photos = outcome.mean(0)
    draws = np.random.default_rng(0).choice(photos, (DRAWS, len(photos))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(photos.mean()), float(low), float(high)


def text_of(outcome: np.ndarray) -> str:
    """Percent, with the interval."""
    mean, low, high = (100 * value for value in interval(outcome))
    return f"{mean:.1f} ({low:.0f}-{high:.0f})"


def line_of(name: str, row: dict[str, Any]) -> str:
    """One row as the terminal shows it while the others are still to come."""
    return (
        f"{name:22s} targets {text_of(outcomes(row, 'adapted', targets=True)):16s} sources "
        f"{text_of(outcomes(row, 'adapted', targets=False))}, {row['seconds']:.0f} s"
    )


def gradients_of(row: dict[str, Any]) -> float:
    """Mean over images: gradients of one source."""
    return float(np.mean([run["gradients"] for run in row["runs"]]))


def title_of(result: dict[str, Any]) -> str:
    """What was measured, in one line."""
    strength = "" if result["strength"] is None else f" {result['strength']:g}"
    sources = "one source" if result["number"] == 1 else f"{result['number']} sources"
    return f"{result['method']}{strength}, {sources}, {len(result['photos'])} photos"


def figures(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of a result."""
    body = [
        [
            name,
            text_of(outcomes(row, "adapted", targets=True)),
            text_of(outcomes(row, "anonymized", targets=True)),
            text_of(outcomes(row, "adapted", targets=False)),
            text_of(after(row, "jpeg75")),
            f"{gradients_of(row):.0f}",
            f"{np.mean([run['psnr'] for run in row['runs']]):.1f}",
        ]
        for name, row in result["rows"].items()
    ]
    head = ["row", "targets", "without us", "sources", "after JPEG 75", "gradients", "PSNR"]
    return head, body


def show(result: dict[str, Any]) -> str:
    """A result as the terminal shows it."""
    return "\n".join([title_of(result), *cross_validated(result), table(*figures(result))])


def cross_validated(result: dict[str, Any]) -> list[str]:
    """What the best row reaches on each target when it is chosen on the other targets."""
    rows = {n: r for n, r in result["rows"].items() if gradients_of(r) <= 100}
    if len(rows) < 2:
        return []
    found = []
    for target in result["classifiers"]:

        def score(row: dict[str, Any], own: bool, target: str = target) -> np.ndarray:
            return np.array(
                [
                    unpacked(kept)
                    for run in row["runs"]
                    for name, kept in run["adapted"].items()
                    if name not in run["sources"] and (name == target) == own
                ]
            )

        best = max(rows, key=lambda name: float(score(rows[name], False).mean()))
        found.append((best, score(rows[best], True)))
    names = ", ".join(best for best, _ in found)
    reached = text_of(np.concatenate([kept for _, kept in found]))
    return [f"chosen for each target on the others alone: {reached} ({names})"]


def plot(result: dict[str, Any], path: Path) -> None:
    """Concordance of the targets over gradients per image, a point with its interval per row."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 6))
    for name, row in result["rows"].items():
        mean, low, high = (100 * v for v in interval(outcomes(row, "adapted", targets=True)))
        at = gradients_of(row)
        error = [[mean - low], [high - mean]]
        axes.errorbar(at, mean, error, fmt="o", capsize=3, alpha=0.6)
        axes.annotate(name, (at, mean), textcoords="offset points", xytext=(6, 3), fontsize=8)
    axes.set(
        xlabel="gradients of each source per image",
        ylabel="decisions kept by targets, %",
        title=title_of(result),
        xlim=(0, None),
    )
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def markdown(result: dict[str, Any]) -> list[str]:
    """A result as lines of Markdown."""
    head, body = figures(result)
    rows = ["| " + " | ".join(cells) + " |" for cells in (head, *body)]
    rows.insert(1, "|---" * len(head) + "|")
    return [f"**{title_of(result)}**", "", *cross_validated(result), "", *rows, ""]


if __name__ == "__main__":
    for name, result in json.loads(Path(sys.argv[1]).read_text()).items():
        print("\n".join([f"`{name}`:", *markdown(result)]))
