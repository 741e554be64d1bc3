"""The figures of a run, for programs that compare runs: TensorBoard, Weights & Biases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxanon.errors import UsageError, unknown

PLACE = ".tracking"
"""Folder of the output for what these programs keep; hidden, so that nobody takes it for data."""
Report = Mapping[str, Any]


def figures(report: Report) -> dict[str, float]:
    """The numbers of a report's summary, by names with slashes as these programs group them."""
    summary = report["summary"]
    found = {
        name: float(summary[name]) for name in ("images", "failed", "seconds", "images_per_second")
    }
    for classifier, shares in summary["concordance"].items():
        found |= {
            f"{stage}/{classifier}": float(share)
            for stage, share in shares.items()
            if share is not None
        }
    for stage, seconds in report.get("timing", {}).get("host_seconds", {}).items():
        found[f"seconds/{stage}"] = float(seconds)
    return found


def check_tracker(name: str | None) -> None:
    """Make sure that the package of a program is installed, before the work.

    Raises:
        UsageError: for an unknown program, or without its package.
    """
    if name is None:
        return
    if name not in TRACKERS:
        raise UsageError(unknown("--track", name, TRACKERS))
    package, _ = TRACKERS[name]
    try:
        __import__(package)
    except ImportError as error:
        raise UsageError(f"--track {name} needs a package: pip install {package}") from error


def track(name: str, report: Report, folder: Path) -> None:
    """Hand the figures of a run to a program.

    Args:
        name: `tensorboard` or `wandb`.
        report: the run's.
        folder: the output folder.
    """
    _, write = TRACKERS[name]
    write(report, folder / PLACE)


def _tensorboard(report: Report, folder: Path) -> None:
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for name, value in figures(report).items():
            writer.add_scalar(name, value)
        settings = "\n".join(f"- {name}: {value}" for name, value in report["settings"].items())
        writer.add_text("settings", settings)


def _wandb(report: Report, folder: Path) -> None:
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    run = wandb.init(project="jaxanon", dir=str(folder), config=dict(report["settings"]))
    run.log(figures(report))
    run.finish()


TRACKERS: dict[str, tuple[str, Callable[[Report, Path], None]]] = {
    "tensorboard": ("tensorboardX", _tensorboard),
    "wandb": ("wandb", _wandb),
}
"""Name of a program -> its package, and what hands it the figures."""
