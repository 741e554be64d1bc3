"""A picture of what `ablate_transfer.py` has measured."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from ablation_results import Ablation, gradients_of, interval, names_of, outcomes, title_of

from jaxanon.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_matplotlib() -> None:
    """Refuse to go on without matplotlib.

    Raises:
        UsageError: if it is not installed.
    """
    if find_spec("matplotlib") is None:
        raise UsageError("--plot needs matplotlib: pip install -e '.[plot]'")


def plot(result: Ablation) -> Figure:
    """Concordance of the targets over gradients, over visible change, and row by row, best on top.

    A row has the same colour everywhere; bars are 95 % intervals.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    kept = {
        name: interval(outcomes(row, "adapted", targets=True))
        for name, row in result["rows"].items()
    }
    names = sorted(kept, key=lambda name: (kept[name].mean, kept[name].low, kept[name].high))
    colours = colormaps["turbo"](np.linspace(0, 1, len(names)))
    figure = Figure(figsize=(14, 2 + 0.2 * len(names)), layout="tight")
    over, visible, rows = figure.subplots(1, 3)
    for rank, (name, colour) in enumerate(zip(names, colours, strict=True)):
        mean = kept[name].mean
        bar = [[mean - kept[name].low], [kept[name].high - mean]]
        look = {"fmt": "o", "color": colour, "markersize": 4}
        row = result["rows"][name]
        over.errorbar(gradients_of(row), mean, bar, **look, alpha=0.7)
        visible.errorbar(
            np.mean([run["psnr"] for run in row["runs"]]), mean, bar, **look, alpha=0.7
        )
        rows.errorbar(mean, rank, xerr=bar, **look)
    over.set(
        xlabel="gradients of each source per image",
        ylabel="targets' concordance, %",
        xlim=(0, None),
    )
    visible.set(
        xlabel="PSNR of saved files against anonymized images, dB; less to see on the right",
        ylabel="targets' concordance, %",
    )
    rows.set(xlabel="targets' concordance, %", yticks=range(len(names)), yticklabels=names)
    for axes in (over, visible, rows):
        axes.grid(alpha=0.3)
    figure.suptitle(f"{names_of(result)}; {title_of(result)}")
    return figure
