"""Figures and tables of what `ablate_transfer.py` has measured.

python scripts/experiments/ablation_report.py docs/benchmarks/transfer.json    # all tables, as
Markdown
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon.display.tables import table

DRAWS = 2000
"""Of the bootstrap."""
BASE = "transfer"
"""The row that the others are compared with."""


def bits(kept: np.ndarray) -> str:
    """One character per photo, 1 where the decision is kept."""
    return "".join(map(str, kept.astype(int)))


def unpacked(text: str) -> np.ndarray:
    """`bits` undone."""
    return np.array([character == "1" for character in text])


def decided(row: dict[str, Any], stage: str) -> Iterator[tuple[list[str], str, np.ndarray]]:
    """For each seed and set of sources: these, a classifier, and which photos it kept."""
    for run in row["runs"]:
        for name, kept in run[stage].items():
            yield run["sources"], name, unpacked(kept)


def outcomes(row: dict[str, Any], stage: str, *, targets: bool) -> np.ndarray:
    """`(pairs, photos)` bool: for each seed, set of sources, and target (or source) of it."""
    return np.array([k for sources, n, k in decided(row, stage) if (n in sources) != targets])


def after(row: dict[str, Any], change: str) -> np.ndarray:
    """`(sources of all runs, photos)` bool: kept after a change of the saved file."""
    return np.array([unpacked(kept) for run in row["runs"] for kept in run["under"][change]])


def interval(photos: np.ndarray) -> tuple[float, float, float]:
    """Mean of a value per photo, and the bounds of its 95 % bootstrap interval."""
    draws = np.random.default_rng(0).choice(photos, (DRAWS, len(photos))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(photos.mean()), float(low), float(high)


def text_of(outcome: np.ndarray) -> str:
    """Percent, with the interval over photos: the pairs of one photo go together."""
    mean, low, high = (100 * value for value in interval(outcome.mean(0)))
    return f"{mean:.1f} ({low:.0f}-{high:.0f})"


def difference(row: dict[str, Any], base: dict[str, Any]) -> str:
    """Points that the targets of `row` keep more than those of `base`, photo by photo."""
    kept, before = (outcomes(one, "adapted", targets=True).mean(0) for one in (row, base))
    mean, low, high = (100 * value for value in interval(kept - before))
    return f"{mean:+.1f} ({low:+.0f} to {high:+.0f})"


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
    if BASE in result["rows"] and len(body) > 1:
        head.insert(2, f"against {BASE}")
        for cells, row in zip(body, result["rows"].values(), strict=True):
            against = "" if cells[0] == BASE else difference(row, result["rows"][BASE])
            cells.insert(2, against)
    return head, body


def summary(results: dict[str, dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of the presets alone, one line per result."""
    body = []
    for result in (found for found in results.values() if BASE in found["rows"]):
        kept = {
            name: text_of(outcomes(row, "adapted", targets=True))
            for name, row in result["rows"].items()
        }
        row, fast = result["rows"][BASE], result["rows"].get("fast")
        body.append(
            [
                names_of(result),
                title_of(result),
                text_of(outcomes(row, "anonymized", targets=True)),
                kept.get("fast", ""),
                f"**{kept[BASE]}**",
                text_of(outcomes(row, "adapted", targets=False)),
                text_of(after(row, "jpeg75")),
                text_of(outcomes(fast, "adapted", targets=False)) if fast else "",
            ]
        )
    head = ["classifiers", "photos", "without us", "`fast`", "`transfer`"]
    return [*head, "its sources", "after JPEG 75", "sources of `fast`"], body


def pairs(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and body of the table of all pairs: percent kept, over photos and seeds."""
    row = result["rows"][BASE]
    found: dict[str, dict[str, list[float]]] = {}
    for sources, name, kept in decided(row, "adapted"):
        cells = found.setdefault(" + ".join(map(_short, sources)), {})
        cells.setdefault(name, []).append(100 * float(kept.mean()))
    names = list(result["classifiers"])
    body = [
        [label, *(f"{np.mean(cells[name]):.0f}" for name in names)]
        for label, cells in found.items()
    ]
    return ["adapted to", *map(_short, names)], body


def _short(name: str) -> str:
    return name.split(".")[0]


def names_of(result: dict[str, Any]) -> str:
    """The classifiers, without their tags."""
    return ", ".join(map(_short, result["classifiers"]))


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
            others = ((n, k) for sources, n, k in decided(row, "adapted") if n not in sources)
            return np.array([kept for name, kept in others if (name == target) == own])

        best = max(rows, key=lambda name: float(score(rows[name], False).mean()))
        found.append((best, score(rows[best], True)))
    names = ", ".join(best for best, _ in found)
    reached = text_of(np.concatenate([kept for _, kept in found]))
    return [f"chosen for each target on the others alone: {reached} ({names})"]


def compared(result: dict[str, Any], record: dict[str, Any] | None) -> tuple[str, bool]:
    """Whether the preset keeps of these photos what is on record of them, within its interval."""
    known = {} if record is None or BASE not in record["rows"] else record
    names = [name for name in result["photos"] if name in known.get("photos", ())]
    if not names or BASE not in result["rows"]:
        return "nothing of this is on record", False

    def kept(of: dict[str, Any]) -> np.ndarray:
        at = [of["photos"].index(name) for name in names]
        return outcomes(of["rows"][BASE], "adapted", targets=True)[:, at]

    found = 100 * kept(result).mean()
    mean, low, high = (100 * value for value in interval(kept(known).mean(0)))
    agrees = bool(low <= found <= high)
    text = (
        f"{found:.1f} % of these {len(names)} photos; on record {mean:.1f} ({low:.0f}-{high:.0f})"
    )
    return text + (": agrees" if agrees else ": DIFFERS"), agrees


def markdown(head: list[str], body: list[list[str]]) -> list[str]:
    """A table as lines of Markdown."""
    rows = ["| " + " | ".join(cells) + " |" for cells in (head, *body)]
    return [rows[0], "|---" * len(head) + "|", *rows[1:]]


def report(results: dict[str, dict[str, Any]]) -> list[str]:
    """All results as lines of Markdown: the presets, their pairs, and what was compared."""
    lines = [*markdown(*summary(results)), ""]
    for result in results.values():
        lines += [f"{names_of(result)}; {title_of(result)}:", "", *markdown(*pairs(result)), ""]
        if set(result["rows"]) - {"fast", BASE}:
            lines += [*cross_validated(result), "", *markdown(*figures(result)), ""]
    return lines


if __name__ == "__main__":
    print("\n".join(report(json.loads(Path(sys.argv[1]).read_text()))))
