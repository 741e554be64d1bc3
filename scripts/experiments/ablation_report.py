"""Figures and tables of what `ablate_transfer.py` has measured.

All tables, as Markdown; and a picture of the result with the most rows:

    python scripts/experiments/ablation_report.py docs/benchmarks/transfer.json
    python scripts/experiments/ablation_report.py docs/benchmarks/transfer.json docs/transfer.png
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from ablation_choices import by_any, cross_validated
from ablation_plot import plot
from ablation_results import (
    BASE,
    PRESET,
    Ablation,
    MeasuredRow,
    after,
    ceilings,
    decided,
    gradients_of,
    interval,
    names_of,
    outcomes,
    percent,
    short,
    text_of,
    title_of,
)

from jaxanon.display.tables import table
from jaxanon.metrics import Interval

BOUNDS = {"16": PRESET, "24": f"{PRESET}, bound 24", "32": f"{PRESET}, bound 32"}
"""Bound, in 1/255 -> the row of the preset `transfer` that was measured within it."""
SEEN: dict[str, tuple[Literal["psnr", "ssim", "ciede"], str]] = {
    "PSNR": ("psnr", ".1f"),
    "SSIM": ("ssim", ".3f"),
    "CIEDE2000": ("ciede", ".1f"),
}
"""Title of a column -> which measure of saved files and anonymized images, and its format."""
Table = tuple[list[str], list[list[str]]]
"""Titles of the columns, and the cells of each row."""


def ceiling_of(result: Ablation, row: MeasuredRow) -> list[str]:
    """What targets could keep, and the share of it that a row reaches, in percent, as text.

    Both count the photos on which a source decides as the target does on the original.
    """
    possible = ceilings(result, row)
    kept = outcomes(row, "adapted", targets=True)
    return [f"{100 * possible.mean():.1f}", f"{100 * (kept & possible).sum() / possible.sum():.1f}"]


def difference(row: MeasuredRow, base: MeasuredRow) -> str:
    """Points by which the targets' concordance of `row` is above that of `base`, by photo."""
    kept, before = (outcomes(one, "adapted", targets=True).mean(0) for one in (row, base))
    found = percent(Interval.from_values(kept - before))
    return f"{found.mean:+.1f} ({found.low:+.0f} to {found.high:+.0f})"


def line_of(name: str, row: MeasuredRow) -> str:
    """One row as the terminal shows it while the others are still to come."""
    return (
        f"{name:22s} targets {text_of(outcomes(row, 'adapted', targets=True)):16s} sources "
        f"{text_of(outcomes(row, 'adapted', targets=False))}, {row['seconds']:.0f} s"
    )


def seen_of(row: MeasuredRow) -> list[str]:
    """Means of what is `SEEN` of the change; empty where that was not measured."""
    cells = []
    for measure, form in SEEN.values():
        found = [run[measure] for run in row["runs"] if measure in run]
        cells.append(format(np.mean(found), form) if found else "")
    return cells


def figures(result: Ablation) -> Table:
    """Head and body of the table of a result."""
    body = [
        [
            name,
            text_of(outcomes(row, "adapted", targets=True)),
            text_of(outcomes(row, "anonymized", targets=True)),
            text_of(outcomes(row, "adapted", targets=False)),
            text_of(after(row, "jpeg75")),
            f"{gradients_of(row):.0f}",
            *seen_of(row),
        ]
        for name, row in result["rows"].items()
    ]
    head = ["row", "targets", "anonymized", "sources", "after JPEG 75", "gradients", *SEEN]
    if BASE in result["rows"] and len(body) > 1:
        head.insert(2, f"against {BASE}")
        for cells, row in zip(body, result["rows"].values(), strict=True):
            against = "" if cells[0] == BASE else difference(row, result["rows"][BASE])
            cells.insert(2, against)
    return head, body


def summary(results: Mapping[str, Ablation]) -> Table:
    """Head and body of the table of the presets and of signs, one line per result.

    What is told of the sources is with the preset `transfer`, or else with signs.
    """
    body = []
    for result in (found for found in results.values() if {PRESET, BASE} & set(found["rows"])):
        kept = {
            name: text_of(outcomes(row, "adapted", targets=True))
            for name, row in result["rows"].items()
        }
        row, fast = main_row(result), result["rows"].get("fast")
        body.append(
            [
                names_of(result),
                title_of(result),
                text_of(outcomes(row, "anonymized", targets=True)),
                kept.get("fast", ""),
                kept.get(BASE, ""),
                kept.get("balanced", ""),
                f"**{kept[PRESET]}**" if PRESET in kept else "",
                *ceiling_of(result, row),
                text_of(outcomes(row, "adapted", targets=False)),
                text_of(after(row, "jpeg75")),
                text_of(outcomes(fast, "adapted", targets=False)) if fast else "",
            ]
        )
    head = ["classifiers", "photos", "anonymized", "`fast`", BASE, "`balanced`", "`transfer`"]
    return [*head, "ceiling", "of it", "its sources", "after JPEG 75", "sources of `fast`"], body


def main_row(result: Ablation) -> MeasuredRow:
    """The row of the preset `transfer`; where it was not measured, that of signs."""
    return result["rows"].get(PRESET) or result["rows"][BASE]


def pairs(result: Ablation) -> Table:
    """Head and body of the table of all pairs: concordance in percent, over photos and seeds."""
    row = main_row(result)
    found: dict[str, dict[str, list[float]]] = {}
    for sources, name, kept in decided(row, "adapted"):
        cells = found.setdefault(" + ".join(map(short, sources)), {})
        cells.setdefault(name, []).append(100 * float(kept.mean()))
    names = list(result["classifiers"])
    body = [
        [label, *(f"{np.mean(cells[name]):.0f}" for name in names)]
        for label, cells in found.items()
    ]
    return ["adapted to", *map(short, names)], body


def ladder(results: Mapping[str, Ablation]) -> Table:
    """Head and body of the table of the preset `transfer` within larger bounds."""
    body = []
    for result in results.values():
        rows = {bound: result["rows"].get(name) for bound, name in BOUNDS.items()}
        measured = {bound: row for bound, row in rows.items() if row is not None}
        if len(measured) < 2:
            continue
        for bound, row in measured.items():
            body.append(
                [
                    names_of(result),
                    title_of(result),
                    bound,
                    text_of(outcomes(row, "adapted", targets=True)),
                    "" if bound == "16" else difference(row, measured["16"]),
                    ceiling_of(result, row)[1],
                    *seen_of(row),
                    str(len({run["seed"] for run in row["runs"]})),
                ]
            )
    head = ["classifiers", "photos", "bound, 1/255", "targets", "against 16", "of the ceiling"]
    return [*head, *SEEN, "seeds"], body


def show(result: Ablation) -> str:
    """A result as the terminal shows it."""
    return "\n".join(
        [title_of(result), *cross_validated(result), *by_any(result), table(*figures(result))]
    )


def compared(result: Ablation, record: Ablation | None) -> tuple[str, bool]:
    """Whether the targets' concordance on these photos is the recorded one, within its interval."""
    on_record = record if record is not None and PRESET in record["rows"] else None
    names = [name for name in result["photos"] if on_record and name in on_record["photos"]]
    if not names or on_record is None or PRESET not in result["rows"]:
        return "nothing of this is on record", False

    def kept(ablation: Ablation) -> np.ndarray:
        photos = [ablation["photos"].index(name) for name in names]
        return outcomes(ablation["rows"][PRESET], "adapted", targets=True)[:, photos]

    found, known = 100 * kept(result).mean(), interval(kept(on_record))
    agrees = bool(known.low <= found <= known.high)
    text = (
        f"{found:.1f} % of these {len(names)} photos; on record {known.mean:.1f} "
        f"({known.low:.0f}-{known.high:.0f})"
    )
    return text + (": agrees" if agrees else ": DIFFERS"), agrees


def report(results: Mapping[str, Ablation]) -> str:
    """All results in Markdown: the presets, their pairs, and what was compared."""
    parts = [table(*summary(results), markdown=True), ""]
    if (bounds := ladder(results))[1]:
        parts += [table(*bounds, markdown=True), ""]
    for result in results.values():
        title = f"{names_of(result)}; {title_of(result)}:"
        parts += [title, "", table(*pairs(result), markdown=True), ""]
        if set(result["rows"]) - {"fast", BASE, PRESET}:
            said = [*cross_validated(result), "", *by_any(result)]
            parts += [*said, "", table(*figures(result), markdown=True), ""]
    return "\n".join(parts)


if __name__ == "__main__":
    found: dict[str, Ablation] = json.loads(Path(sys.argv[1]).read_text())
    print(report(found))
    if len(sys.argv) > 2:
        plot(max(found.values(), key=lambda one: len(one["rows"]))).savefig(sys.argv[2], dpi=90)
