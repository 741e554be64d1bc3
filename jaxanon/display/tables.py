"""Plain-text tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jaxanon.adaptation.settings import STATUS
from jaxanon.errors import printable
from jaxanon.evaluation.mistakes import Mistakes
from jaxanon.evaluation.transfer import Transfer

STAGES = ("anonymized", "adapted")


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[str] | None = None
) -> str:
    """Columns aligned to the right, those headed as in `left` (default: the first) to the left."""
    if left is None:
        left = head[:1]
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [
        "  ".join(
            cell.ljust(width) if head[i] in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([text[0], "  ".join("-" * width for width in widths), *text[1:]])


def percent(share: float | None) -> str:
    """A share with one decimal, a dash where there is none."""
    return "-" if share is None else f"{100 * share:.1f} %"


def closing(report: Mapping[str, Any]) -> str:
    """What a run did: concordance per classifier, counts, speed, and the images that failed."""
    summary = report["summary"]
    rows = []
    for classifier in report["classifiers"]:
        shares = summary["concordance"][classifier["name"]]
        rows.append(
            [
                classifier["name"],
                classifier["role"],
                *(percent(shares[key]) for key in ("anonymized", "adapted", "repair")),
            ]
        )
    text = table(["classifier", "role", "anonymized", "adapted", "repaired"], rows)
    settings = report["settings"]
    if settings.get("loss") == "soft":
        text += f"\n{report['guarantee']['text']}: at most {report['guarantee']['bits']:g} bits"
    images = report["images"]
    short = {
        "keep": "not every source keeps its decision",
        "avoid": "not every source was fooled",
        "reach": f"not every source sees class {settings.get('target_class')}",
    }[settings["goal"]]
    word = STATUS[settings["goal"]]
    partly = [image for image in images if image["status"] == "partly"]
    failed = [image for image in images if image["status"] == "failed"]
    text += (
        f"\n{summary['images']} images: {len(images) - len(partly) - len(failed)} {word}, "
        f"{len(partly)} partly, {len(failed)} failed; {summary['seconds']:.1f} s, "
        f"{summary['images_per_second']:.2f} images/s"
    )
    bare = [image for image in images if image["regions"] == 0]
    if bare:
        text += (
            f"\nnothing private was found in {len(bare)} images, so they were left as given: "
            f"look at them ({printable(bare[0]['output'])} is the first)"
        )
    unjudged = sum(image["score"] is None and image["status"] != "failed" for image in images)
    if "cap" in settings and unjudged:
        text += f"\nthe judge found no face in {unjudged} images, so they were under no cap"
    for image in images:
        stopped = image["error"] if image["status"] != "failed" else None
        if image["status"] == "partly" or stopped:
            reason = "; ".join(filter(None, [short if image in partly else None, stopped]))
            text += f"\n{image['status']}: {printable(image['output'])}: {reason}"
    for image in failed:
        text += f"\nfailed: {printable(image['error'])}"
    return text


def transfers(rows: Sequence[Transfer], source: str) -> str:
    """The evaluator's table."""
    head = ["classifier", "anonymized", "adapted", "repaired", "same change", "different"]
    body = [
        [
            row.name + (" (source)" if row.name == source else ""),
            percent(row.anonymized.kept if row.anonymized else None),
            percent(row.adapted.kept),
            percent(row.repair),
            percent(row.adapted.same),
            percent(row.adapted.different),
        ]
        for row in rows
    ]
    return table(head, body)


def robustness(under: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """What is kept under changes: of the original, the anonymized and the adapted image."""
    stages = ("original", "anonymized", "adapted")
    body = [
        [change, name, *(percent(shares.get(stage)) for stage in stages)]
        for change, classifiers in under.items()
        for name, shares in classifiers.items()
    ]
    return table(["under", "classifier", *stages], body, left=["under", "classifier"])


def interval(shares: Mapping[str, float] | None) -> str:
    """A share in percent with its interval, a dash where there is none."""
    if shares is None:
        return "-"
    return f"{100 * shares['mean']:.0f} ({100 * shares['low']:.0f} to {100 * shares['high']:.0f})"


def privacy(result: Mapping[str, Any]) -> str:
    """The privacy report."""
    lines = []
    for stage, measures in result["similarity"].items():
        ssim, psnr = measures["ssim"]["mean"], measures["psnr"]["mean"]
        lines.append(f"{stage} to original: SSIM {ssim:.3f}, PSNR {psnr:.1f} dB")
    faces = result["faces"]
    if faces:
        found = [f"{name} {interval(faces[name])}" for name in STAGES if name in faces]
        lines.append(f"of {faces['faces']} faces still found, %: {', '.join(found)}")
    else:
        why = result["faces_left_out"]
        lines.append(f"faces were not looked at: {why}" if why else "no original shows a face")
    body = []
    for row in result["reidentification"]:
        first, fifth = row["rank1"], row["rank5"]
        cells = [interval(first.get(name)) for name in ("anonymized", "told", "adapted")]
        last = [interval(fifth.get(name)) for name in ("anonymized", "adapted")]
        body.append(
            [row["features"], row["attack"], str(row["gallery"]), *cells, *last, _verdict(row)]
        )
    head = [
        "features", "attack", "of", "1st: anonymized", "+ decisions", "adapted",
        "5: anonymized", "adapted ", "worse?",
    ]  # fmt: skip
    bound, chance = result["guarantee"], result["reidentification"][0]
    guess = " and ".join(percent(chance[rank]["chance"]) for rank in ("rank1", "rank5"))
    bits = "" if bound["bits"] is None else f": at most {bound['bits']:g} bits"
    left_out = result["decisions_left_out"]
    lines += [
        "",
        "re-identification, % of images whose original is the nearest, or among the five nearest",
        table(head, body, left=["features", "attack", "worse?"]),
        "",
        f"guessing finds {guess} of {chance['gallery']} images",
        f"deblurring takes the blur for {result['deviation']:g} pixels of a short side of 256"
        + (" (assumed; --deviation X tells it)" if result["deviation_assumed"] else ""),
        *([f"the decisions were left out: {left_out}"] if left_out else []),
        f"guaranteed: {bound['text']}{bits}",
        f"{result['bits_to_single_out']:g} bits single out one of {result['images']} images",
        f"{result['images']} images compared, {len(result['failed'])} failed",
    ]
    return "\n".join(lines)


def _verdict(row: Mapping[str, Any]) -> str:
    """Whether the adapted images tell more than the anonymized ones; and more than decisions do."""
    ranks = [row[name] for name in ("rank1", "rank5")]
    if "difference" not in ranks[0]:
        return "-"
    if not any(rank["difference"]["worse"] for rank in ranks):
        return "no"
    if any(rank.get("beyond_decisions", {"worse": True})["worse"] for rank in ranks):
        return "yes"
    return "not beyond the decisions"


def mistakes(rows: Sequence[Mistakes]) -> str:
    """Three definitions of transfer side by side, and what they say of the images before."""
    head = ["classifier", "images", "non-targeted", "targeted", "unfooled", "different", "same"]
    body = []
    for row in rows:
        for stage, split in (("", row.split), ("baseline", row.baseline)):
            apart = [split.unfooled, split.different, split.same]
            shares = [split.non_targeted, split.targeted, *apart]
            body.append([row.name if not stage else "", stage or "result", *map(percent, shares)])
    return table(head, body, left=head[:2])
