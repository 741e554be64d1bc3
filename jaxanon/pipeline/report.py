"""The report of a run: what happened per image, and in sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from jaxanon import __version__
from jaxanon.metrics import concordance, repair_rate
from jaxanon.pipeline.record import Record

REPORT = "report.json"
Report = dict[str, Any]
"""The report as its JSON file holds it."""


@dataclass(frozen=True)
class Totals:
    """What a run took.

    Attributes:
        seconds: from the first image to the last, loading of classifiers left out.
        processed: images handled in that time (a resumed run handles fewer than it reports).
    """

    seconds: float
    processed: int


def summarise(
    records: Sequence[Record],
    roles: Mapping[str, str],
    origins: Mapping[str, str],
    options: Mapping[str, Any],
    totals: Totals,
) -> Report:
    """The report of a run.

    Args:
        records: one per image.
        roles: classifier -> `source` or `target`.
        origins: classifier -> where its weights come from.
        options: all that the results depend on.
        totals: what the run took.
    """
    import jax

    device = jax.devices()[0]
    seconds = totals.seconds
    return {
        "schema": 1,
        "version": __version__,
        "device": f"{device.platform}: {device.device_kind} x {jax.device_count()}",
        "settings": dict(options),
        "classifiers": [{"name": name, "role": role} for name, role in roles.items()],
        "weights": dict(origins),
        "summary": {
            "images": len(records),
            "done": sum(record.status != "failed" for record in records),
            "failed": sum(record.status == "failed" for record in records),
            "seconds": round(seconds, 3),
            "images_per_second": round(totals.processed / seconds, 4) if seconds > 0 else 0.0,
            "concordance": {name: shares(records, name) for name in roles},
        },
        "images": [asdict(record) for record in records],
    }


def shares(records: Sequence[Record], name: str) -> dict[str, float | None]:
    """A classifier's concordance, before and after, and repair rate over the saved images."""
    rows = [record.decisions[name] for record in records if name in record.decisions]
    reference, anonymized, adapted = (
        np.array([row[stage] for row in rows], int)
        for stage in ("reference", "anonymized", "adapted")
    )
    return {
        "anonymized": concordance(reference, anonymized),
        "adapted": concordance(reference, adapted),
        "repair": repair_rate(reference, anonymized, adapted),
    }
