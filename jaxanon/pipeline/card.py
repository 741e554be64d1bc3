"""What the card of a run's output says: `README.md` in the form that hubs of data sets want.

The output is published; so the card repeats nothing that tells where the originals lie.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.outside.naming import is_outside, without_place
from jaxanon.display.page.card import Card, render_card
from jaxanon.display.page.contents import ClassifierRow, Contents
from jaxanon.pipeline.page import TITLES
from jaxanon.pipeline.page_words import run_hides

CARD = "README.md"
"""Its name in the output folder."""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Numbers of images -> the hub's name for data sets that have fewer."""
FILES = {"tar": ["*.tar"], "parquet": ["*.parquet"]}
"""Kind of the output -> the files with the data."""


def card(run: Mapping[str, Any], contents: Contents, before: str | None = None) -> bytes:
    """The card of a run's output, in UTF-8.

    Args:
        run: the report without its images.
        contents: what the page shows.
        before: the card that is there already, whose licence somebody may have filled in.
    """
    settings = run["settings"]
    saved = contents.images - contents.failed
    statuses = ", ".join(f"{number:,} {status}" for status, number in contents.statuses.items())
    more = []
    if contents.failed:
        more.append(f"{contents.failed:,} of the originals could not be adapted, and are missing.")
    if _kind(run) != "folder":
        more.append(
            "Beside each picture stand the decisions of all classifiers above, targets too, on the "
            "original, and what else the original's sample held, such as captions and labels."
        )
    return render_card(
        Card(
            header=_header(run, saved) | _filled_in(before),
            title=contents.title,
            sentences=[contents.sentences[0], *_untouched(contents.untouched)],
            rows=[_public(row) for row in contents.rows],
            statuses=f"Images: {statuses}.",
            hidden=_hidden(settings),
            guarantee=contents.facts.get("guarantee"),
            eps=int(settings.get("eps", 16)),
            more=more,
            version=contents.facts["jaxanon"] or "(a stopped run, summed up)",
            settings=_settings(settings),
        )
    ).encode(errors="replace")


def has_card(run: Mapping[str, Any]) -> bool:
    """Whether the output of a run is to have a card: that of an attack is not to be published."""
    return run_hides(run)


def _filled_in(before: str | None) -> dict[str, str]:
    """The licence that a card has, if somebody has filled it in."""
    parts = (before or "").split("---\n")
    try:
        found = yaml.safe_load(parts[1]) if len(parts) > 2 and not parts[0] else None
    except yaml.YAMLError:
        found = None
    licence = found.get("license") if isinstance(found, dict) else None
    return {"license": licence} if isinstance(licence, str) else {}


def _untouched(number: int) -> list[str]:
    """What is said of images in which nothing was hidden."""
    if not number:
        return []
    one, all_of = "1 of them is as its original", f"{number:,} of them are as their originals"
    return [f"{one if number == 1 else all_of}: nothing private was found there."]


def _header(run: Mapping[str, Any], saved: int) -> dict[str, Any]:
    """What programs read of the card."""
    size = next((name for most, name in SIZES if saved < most), "n>1M")
    header: dict[str, Any] = {
        "license": "unknown",
        "task_categories": ["image-classification"],
        "size_categories": [size],
        "tags": ["jaxanon", "anonymization", "privacy"],
        "pretty_name": TITLES[run["settings"].get("goal", "keep")],
    }
    if files := FILES.get(_kind(run)):
        data = [{"split": "train", "path": files}]
        header["configs"] = [{"config_name": "default", "data_files": data}]
    return header


def _kind(run: Mapping[str, Any]) -> str:
    """What the output consists of: `folder`, `tar` or `parquet`."""
    settings = run["settings"]
    if to := settings.get("to"):
        return str(to)
    if "inputs" not in run or "listing" in settings:
        return "folder"
    return "tar" if any(str(name).endswith(".tar") for name in run["inputs"]) else "parquet"


def _hidden(settings: Mapping[str, Any]) -> str:
    """How the originals were hidden, in words."""
    if settings.get("goal", "keep") != "keep":
        return "Nothing is hidden: the pictures were attacked."
    method, strength = settings.get("method"), settings.get("strength")
    if not method:
        return "The originals were anonymized by another program."
    regions = settings.get("regions", "whole")
    where = {"whole": "the whole of each", "faces": "the faces that were found in each"}
    share = where.get(str(regions), "the declared regions of each")
    was = "was" if regions == "whole" else "were"
    return f"Of the originals {share} {was} hidden by {method}" + (
        f", strength {strength:g}." if strength else "."
    )


def _public(row: ClassifierRow) -> ClassifierRow:
    """A row that does not say where a file of weights lies here."""
    known = re.match("https?://", row.weights) or row.weights in ("random numbers", "")
    if is_outside(row.name):
        return replace(row, name=without_place(row.name), weights="not known")
    name = row.name.partition("@")[0]
    return replace(row, name=name, weights=row.weights if known else "of the user's own")


def _settings(settings: Mapping[str, Any]) -> str:
    """The settings that hold no path, in words."""
    names = ("method", "strength", "preset", "format", *Settings.options())
    found = {name: settings[name] for name in names if settings.get(name) not in (None, "", [])}
    return ", ".join(f"{name} {value}" for name, value in found.items())
