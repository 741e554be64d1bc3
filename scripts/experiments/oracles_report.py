"""Tables and a picture of what `ask_oracles.py` has measured: how many files it takes.

python scripts/experiments/oracles_report.py docs/benchmarks/oracles.json
python scripts/experiments/oracles_report.py docs/benchmarks/oracles.json docs/oracles.png
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from ask_oracles import HEAD, Asked, line_of, title_of

from jaxanon.display.tables import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Measured(TypedDict):
    """All oracles in turn, asked alike.

    Attributes:
        photos: names of the photos.
        queries: files at most that an oracle was asked about.
        runs: one for each oracle and its sources.
    """

    photos: list[str]
    queries: int
    runs: list[Asked]


def report(found: Mapping[str, Measured]) -> str:
    """All results in Markdown."""
    parts = []
    for key, result in found.items():
        body = [line_of([run], title_of(run)) for run in result["runs"]]
        body.append(line_of(result["runs"], "all"))
        title = f"{without_tags(key)}; at most {result['queries']} files of each of "
        title += f"{len(result['photos'])} photos:"
        parts += [
            title,
            "",
            table(HEAD, [list(map(without_tags, row)) for row in body], markdown=True),
        ]
        parts.append("")
    return "\n".join(parts)


def without_tags(text: str) -> str:
    """A text without the tag of the testbed's weights, which is the same everywhere."""
    return text.replace(".objects64", "")


def plot(found: Mapping[str, Measured]) -> Figure:
    """The share of photos on which the oracle agrees, over the files that it was asked about."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="tight")
    axes = figure.subplots()
    for key, result in found.items():
        asked = np.arange(1, result["queries"] + 1)
        axes.plot(asked, 100 * kept_after(result["runs"], asked), label=without_tags(key))
    axes.set(xlabel="files asked about, at most", ylabel="oracle agrees, %", xscale="log")
    axes.legend(fontsize=6)
    axes.grid(alpha=0.3)
    return figure


def kept_after(runs: Sequence[Asked], asked: np.ndarray) -> np.ndarray:
    """Share of all photos on which the oracle agreed after so many files; shaped as `asked`."""
    counts = np.array([count for run in runs for count in run["kept"]])
    return np.array([np.mean((counts > 0) & (counts <= files)) for files in asked])


if __name__ == "__main__":
    measured: dict[str, Measured] = json.loads(Path(sys.argv[1]).read_text())
    print(report(measured))
    if len(sys.argv) > 2:
        plot(measured).savefig(sys.argv[2], dpi=110)
