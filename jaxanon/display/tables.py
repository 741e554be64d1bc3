"""Tables as plain text for the terminal, and as Markdown for pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxanon.adaptation.settings import STATUS
from jaxanon.classifiers.decided import compared
from jaxanon.classifiers.keeping import TOP1, keeping
from jaxanon.errors import printable
from jaxanon.metrics import percent
from jaxanon.privacy.report import (
    WITH_DECISIONS,
    FaceDetection,
    MeanInterval,
    PrivacyReport,
    Reidentification,
    Verdict,
    verdict,
)

VERDICTS: dict[Verdict, str] = {
    "unknown": "-",
    "not worse": "no",
    "not beyond the decisions": "not beyond the decisions",
    "worse": "yes",
}
"""Verdict on a row of the privacy report -> the answer to `worse?` in its table."""


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    left: Sequence[str] | None = None,
    *,
    markdown: bool = False,
) -> str:
    """A table, one line per row.

    Args:
        head: titles of the columns.
        rows: cells of each row.
        left: titles of the columns that are aligned to the left (default: the first); the others
            are aligned to the right.
        markdown: as Markdown, where the columns are as wide as their cells.
    """
    lines = [list(head), *(list(row) for row in rows)]
    if markdown:
        first, *others = ["| " + " | ".join(line) + " |" for line in lines]
        return "\n".join([first, "|---" * len(head) + "|", *others])
    if left is None:
        left = head[:1]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    first, *others = [
        "  ".join(
            cell.ljust(width) if title in left else cell.rjust(width)
            for title, cell, width in zip(head, line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    return "\n".join([first, "  ".join("-" * width for width in widths), *others])


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it is not one: `1 image`, `0 images`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def closing(report: Mapping[str, Any]) -> str:
    """What a run did: concordance per classifier, counts, speed, and the images that failed."""
    summary, settings = report["summary"], report["settings"]
    text = _concordances(report)
    if settings.get("loss") == "soft":
        text += f"\n{report['guarantee']['text']}: at most {report['guarantee']['bits']:g} bits"
    images = report["images"]
    target_class = printable(str(settings.get("target_class")))
    short = {
        "avoid": "not every source was fooled",
        "reach": f"not every source sees class {target_class}",
    }.get(settings["goal"], "")
    word = STATUS[settings["goal"]]
    partly = [image for image in images if image["status"] == "partly"]
    failed = [image for image in images if image["status"] == "failed"]
    done = len(images) - len(partly) - len(failed)
    text += (
        f"\n{counted(summary['images'], 'image')}: {done} {word}, "
        f"{len(partly)} partly, {len(failed)} failed; {_pace(summary)}"
    )
    text += _private(images)
    bare = [image for image in images if image["regions"] == 0 or image["private"] == 0]
    if bare:
        they, them = ("it was", "it") if len(bare) == 1 else ("they were", "them")
        text += (
            f"\nnothing private was found in {counted(len(bare), 'image')}, so {they} left as "
            f"given: look at {them} ({printable(bare[0]['output'])} is the first)"
        )
    unjudged = sum(image["score"] is None and image["status"] != "failed" for image in images)
    if "cap" in settings and unjudged:
        they = "it was" if unjudged == 1 else "they were"
        found = f"the judge found no face in {counted(unjudged, 'image')}"
        text += f"\n{found}, so {they} under no cap"
    for image in images:
        stopped = image["error"] if image["status"] != "failed" else None
        if image["status"] == "partly" or stopped:
            missed = (short or _otherwise(image, report)) if image in partly else None
            reason = "; ".join(filter(None, [missed, stopped]))
            text += f"\n{image['status']}: {printable(image['output'])}: {reason}"
    for image in failed:
        text += f"\nfailed: {printable(image['error'])}"
    return text


def _otherwise(image: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """Which sources and oracles do not decide on a saved image as on the original."""
    rows = image["decisions"]
    bound = [each["name"] for each in report["classifiers"] if each["role"] != "target"]
    names = [
        printable(name)
        for name in bound
        if compared(rows[name], "adapted") != compared(rows[name], "reference")
    ]
    who = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
    verb = "decides" if len(names) == 1 else "decide"
    asked = f" after {counted(image['queries'], 'question')}" if image.get("queries") else ""
    return f"{who} {verb} otherwise than on the original{asked}"


def done_earlier(summary: Mapping[str, Any]) -> int:
    """How many images of a run an earlier one had done."""
    seconds, rate = summary["seconds"], summary["images_per_second"]
    earlier = int(summary["images"] - round(rate * seconds))
    return earlier if earlier > 1e-4 * seconds else 0  # the rate is rounded


def _pace(summary: Mapping[str, Any]) -> str:
    """Time and speed of a run; of those images alone that an earlier one had not done."""
    seconds, rate = summary["seconds"], summary["images_per_second"]
    earlier = done_earlier(summary)
    if earlier == summary["images"]:
        return "all by an earlier run" if seconds else "the run was stopped; --resume goes on"
    told = f"{earlier} of them by an earlier run; " if earlier else ""
    return f"{told}{seconds:.1f} s, {rate:.2f} images/s"


def closing_of_shards(run: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """What a run over shards came to: concordance per classifier, counts and time."""
    statuses = summary["statuses"]
    done = summary["images"] - summary["failed"] - statuses.get("partly", 0)
    lacking = ""
    if names := summary["lacking"]:
        which = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        lacking = f"\nnot finished: {counted(len(names), 'shard')} ({which}); --resume goes on"
    return (
        f"{_concordances({**run, 'summary': summary})}\n"
        f"{counted(summary['shards'], 'shard')}, {counted(summary['images'], 'image')}: {done} "
        f"{STATUS[run['settings']['goal']]}, {statuses.get('partly', 0)} partly, "
        f"{summary['failed']} failed; {summary['seconds']:.1f} s in all shards, "
        f"{summary['images_per_second']:.2f} images/s{lacking}"
    )


def _private(images: Sequence[Mapping[str, Any]]) -> str:
    """How much of the images is private, where that is not all of them."""
    shares = [image["private"] for image in images if image["private"] is not None]
    if not shares or min(shares) == 1:
        return ""
    text = f"\nprivate: {percent(sum(shares) / len(shares))} of an image"
    least, most = percent(min(shares)), percent(max(shares))
    return text if least == most else f"{text} in the mean, {least} to {most}"


def _concordances(report: Mapping[str, Any]) -> str:
    """Concordance per classifier; after an attack, which anonymizes and repairs nothing, less."""
    head = {"anonymized": "anonymized", "adapted": "adapted", "repair": "repaired"}
    if report["settings"]["goal"] != "keep":
        head = {"anonymized": "original", "adapted": "attacked"}
    shares = report["summary"]["concordance"]
    rows = [
        [each["name"], each["role"], *(percent(shares[each["name"]][key]) for key in head)]
        for each in report["classifiers"]
    ]
    shown = table(["classifier", "role", *head.values()], rows)
    return "\n".join([shown, *decision(report["settings"].get("keep"))])


def decision(keep: str | None) -> list[str]:
    """A line on what a decision is, where it is more than a class; none without a rule."""
    rule = keeping(keep or TOP1.text)
    return [f"a decision is the {rule.noun} (--keep {rule.text})"] if rule.several else []


def interval(shares: MeanInterval | None) -> str:
    """A share in percent with its interval, a dash where there is none."""
    if shares is None:
        return "-"
    return f"{100 * shares['mean']:.0f} ({100 * shares['low']:.0f} to {100 * shares['high']:.0f})"


def privacy(report: PrivacyReport) -> str:
    """The report of `jaxanon privacy`."""
    lines = [
        f"{stage} to original: SSIM {measures['ssim']['mean']:.3f}, "
        f"PSNR {measures['psnr']['mean']:.1f} dB"
        for stage, measures in report["similarity"].items()
    ]
    chance = report["reidentification"][0]
    guess = " and ".join(percent(rank["chance"]) for rank in (chance["rank1"], chance["rank5"]))
    bits, text = report["guarantee"]["bits"], report["guarantee"]["text"]
    left_out = report["decisions_left_out"]
    return "\n".join(
        [
            *lines,
            _faces(report["faces"], report["faces_left_out"]),
            "",
            "re-identification, % of images whose original is the nearest, or among the five "
            "nearest",
            _reidentification(report["reidentification"]),
            "",
            f"guessing finds {guess} of {counted(chance['gallery'], 'image')}",
            f"deblurring takes the blur for {report['deviation']:g} pixels of a short side of 256"
            + (" (assumed; --deviation X tells it)" if report["deviation_assumed"] else ""),
            *([f"the decisions were left out: {left_out}"] if left_out else []),
            f"guaranteed: {text}" + ("" if bits is None else f": at most {bits:g} bits"),
            f"{report['bits_to_single_out']:g} bits single out one of "
            f"{counted(report['images'], 'image')}",
            f"{counted(report['images'], 'image')} compared, {len(report['failed'])} failed",
        ]
    )


def _faces(faces: FaceDetection | None, left_out: str | None) -> str:
    """Shares of faces that are still found, or why there are none."""
    if faces is None:
        return f"faces were not looked at: {left_out}" if left_out else "no original shows a face"
    shares = {"anonymized": faces.get("anonymized"), "adapted": faces.get("adapted")}
    found = ", ".join(f"{stage} {interval(share)}" for stage, share in shares.items() if share)
    return f"of {counted(faces['faces'], 'face')} still found, %: {found}"


def _reidentification(rows: Sequence[Reidentification]) -> str:
    head = [
        "features", "attack", "of", "1st: anonymized", "+ decisions", "adapted",
        "5: anonymized", "adapted ", "worse?",
    ]  # fmt: skip
    body = []
    for row in rows:
        first, fifth = row["rank1"], row["rank5"]
        shares = [
            first.get("anonymized"),
            first.get(WITH_DECISIONS),
            first["adapted"],
            fifth.get("anonymized"),
            fifth["adapted"],
        ]
        worse = VERDICTS[verdict(row)]
        label = [row["features"], row["attack"], str(row["gallery"])]
        body.append([*label, *map(interval, shares), worse])
    return table(head, body, left=["features", "attack", "worse?"])
