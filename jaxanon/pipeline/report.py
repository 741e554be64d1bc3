"""The report of a run: what happened per image, and in sum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jaxanon import __version__
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.tally import Tally

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


def describe(
    roles: Mapping[str, str],
    origins: Mapping[str, str],
    classes: Mapping[str, int],
    options: Mapping[str, Any],
) -> Report:
    """What a report says before it comes to images.

    Args:
        roles: classifier -> `source` or `target`.
        origins: classifier -> where its weights come from.
        classes: classifier -> number of its classes.
        options: all that the results depend on.
    """
    import jax

    device = jax.devices()[0]
    return {
        "schema": 1,
        "version": __version__,
        "device": f"{device.platform}: {device.device_kind} x {jax.device_count()}",
        "settings": dict(options),
        "classifiers": [{"name": name, "role": role} for name, role in roles.items()],
        "weights": dict(origins),
        "classes": dict(classes),
    }


def summarise(records: Sequence[Record], head: Mapping[str, Any], totals: Totals) -> Report:
    """The report of a run.

    Args:
        records: one per image.
        head: what `describe` says.
        totals: what the run took.
    """
    tally = Tally(each["name"] for each in head["classifiers"])
    for record in records:
        tally.add(record)
    return {
        **head,
        "summary": tally.summary(totals.seconds, totals.processed),
        "images": [asdict(record) for record in records],
    }
