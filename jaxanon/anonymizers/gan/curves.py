"""The log of a training, a JSON object per line, and its curves as a picture."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jaxanon.io import files

LOG = "log.jsonl"


def read(path: Path, last_step: int | None = None) -> list[dict[str, Any]]:
    """The rows of a log; what a killed process has left unfinished is dropped.

    Args:
        path: the log, which need not exist.
        last_step: last step to read; all by default.
    """
    rows = []
    for line in path.read_text("utf-8").splitlines() if path.is_file() else []:
        try:
            row = json.loads(line)
        except ValueError:
            break
        if last_step is None or row["step"] <= last_step:
            rows.append(row)
    return rows


def rewind(path: Path, step: int) -> None:
    """Cut a log off after a step, so that the training can go on from there."""
    write(path, read(path, step))


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a log as a whole: a killed process leaves the old one."""
    files.write(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def append(path: Path, row: dict[str, Any]) -> None:
    """Add one row to a log."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def can_plot() -> bool:
    """Whether matplotlib is installed, which `plot` needs."""
    return find_spec("matplotlib") is not None


def plot(rows: Sequence[dict[str, Any]]) -> bytes:
    """Curves of a log's rows as a PNG: losses, penalties, scores, distance to held-out faces."""
    from matplotlib.figure import Figure

    panels = [
        ("losses", ("generator", "discriminator")),
        ("squared gradients by pixels", ("r1", "r2")),
        ("scores of faces over those of fills", ("score_training", "score_held_out")),
        ("distance to held-out faces, levels", ("distance", "distance_of_faces")),
    ]
    steps = [row["step"] for row in rows]
    figure = Figure(figsize=(10, 6), layout="tight")
    for axes, (title, names) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        for name in names:
            baseline = "score_fills" if name.startswith("score") else ""  # only differences count
            values = [row[name] - row.get(baseline, 0) for row in rows]
            axes.plot(steps, values, label=name.replace("_", " "))
        axes.set(title=title, xlabel="step")
        axes.grid(alpha=0.3)
        axes.legend()
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=80)
    return out.getvalue()
