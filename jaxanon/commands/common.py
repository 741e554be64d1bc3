"""What several commands share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxanon import images
from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier
from jaxanon.ensemble import Ensemble
from jaxanon.run import Item


def split_names(text: str | None) -> list[str]:
    """The classifiers named in a comma-separated option."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def load_all(names: Sequence[str]) -> list[Classifier]:
    """Load classifiers, all names checked before the first is loaded."""
    for name in names:
        registry.find(name.partition("@")[0])
    return [registry.load_classifier(name) for name in names]


def write_sheet(
    path: Path, items: Sequence[Item], report: dict[str, Any], ensemble: Ensemble, most: int = 24
) -> None:
    """Write the contact sheet of a run's first saved images."""
    from jaxanon.sheet import sheet

    by_input = {str(item.input): item for item in items}
    rows: list[tuple[np.ndarray, ...]] = []
    for record in report["images"]:
        if record["output"] is not None and len(rows) < most:
            loaded = by_input[record["input"]].load()
            saved = images.decode(Path(record["output"]))
            rows.append((loaded.original, loaded.anonymized, saved))
    if rows:
        images.write(path, sheet(rows, ensemble))
