"""What the page of a run, and its card, say in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxanon.adaptation.settings import STATUS
from jaxanon.classifiers.keeping import keeping
from jaxanon.display.tables import done_earlier

Report = Mapping[str, Any]
"""A report without its images."""


def run_hides(run: Report) -> bool:
    """Whether a run hides something: attacks do not."""
    return bool(run["settings"].get("goal", "keep") == "keep")


def sentences(run: Report, statuses: Mapping[str, int], untouched: int) -> Sequence[str]:
    """What was done with the saved images, in words."""
    settings, summary = run["settings"], run["summary"]
    images = sum(statuses.values()) - statuses.get("failed", 0)
    if not images:
        return ["No image was saved."]
    sources = [
        each["name"].partition("@")[0] for each in run["classifiers"] if each["role"] == "source"
    ]
    method, strength = settings.get("method"), settings.get("strength")
    regions = settings.get("regions", "whole")
    regions = regions if regions in ("whole", "faces") else "declared regions"
    how = f"{method}, strength {strength:g}" if method and strength else method
    were = "was" if images == 1 else "were"
    hidden = f"{were} hidden ({how}; private: {regions})" if how else f"{were} given anonymized"
    counted = "1 image" if images == 1 else f"{images:,} images"
    done, aim = _aim(settings, statuses, images)
    if not run_hides(run):
        hidden = f"{were} attacked, hidden in no way,"
    took = f"That took {_pace(summary)}, on {run.get('device', 'an unknown device')}."
    bare = "1 of them is as it was" if untouched == 1 else f"{untouched:,} of them are as they were"
    left = [f"Nothing private was found in some: {bare} given."] if untouched else []
    lacking = summary.get("unfinished", 0)
    if lacking:
        left.append(f"{lacking:,} of its shards or slices are not finished.")
    return [
        f"{counted} {hidden} and changed by at most {settings.get('eps', 16):g}/255 so that "
        f"{', '.join(sources)} {aim} (preset {settings.get('preset', '-')}). {done}.",
        took if summary["seconds"] else "The run was stopped; this is what it had done.",
        *left,
    ]


def _aim(settings: Report, statuses: Mapping[str, int], images: int) -> tuple[str, str]:
    """On how many images a run came to what it was for, and what that is."""
    goal = settings.get("goal", "keep")
    done = statuses.get(STATUS[goal], 0)
    some = "All" if done == images > 1 else f"{done:,} of {images:,}"
    aim = {"avoid": "decide otherwise than on the originals", "reach": "decide on one class"}
    kept = "decide as on the originals"
    if keep := settings.get("keep"):
        kept += f" (compared: the {keeping(keep).noun})"
    return f"{some} came to that", aim.get(goal, kept)


def _pace(summary: Report) -> str:
    """Time and speed of a run, of those images alone that an earlier one had not done."""
    seconds, rate = summary["seconds"], summary["images_per_second"]
    earlier = done_earlier(summary)
    now = summary["images"] - earlier
    told = f" for the {now:,} that no earlier run had done" if earlier else ""
    return f"{seconds:,.1f} s{told}, {rate:.2f} images per second"


def facts(run: Report) -> dict[str, str]:
    """What a reader may want to know of the run besides."""
    facts = {"jaxanon": str(run.get("version", "")), "device": str(run.get("device", ""))}
    if "guarantee" in run:
        facts["guarantee"] = str(run["guarantee"]["text"])
    shown = {name: value for name, value in run["settings"].items() if value not in (None, "", [])}
    facts["settings"] = ", ".join(f"{name} {value}" for name, value in shown.items())
    return facts
