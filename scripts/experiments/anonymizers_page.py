"""Tables of what `compare_anonymizers.py` has measured, as docs/privacy.md shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from jaxanon.display.tables import table
from jaxanon.privacy.report import WITH_DECISIONS, Findings, Reidentification, verdict

Preset = Literal["fast", "transfer"]
PRESETS: tuple[Preset, ...] = ("fast", "transfer")


class KeptDecisions(TypedDict):
    """Concordance in the saved files of a run.

    Attributes:
        images: number of images.
        kept: number of images on which every source makes its reference decision.
        concordance: classifier -> `anonymized`, `adapted` and `repair`, in shares of images; the
            target comes last.
    """

    images: int
    kept: int
    concordance: dict[str, dict[str, float | None]]


class AnonymizerResult(TypedDict):
    """What was measured of an anonymizer.

    Attributes:
        pictures: what was anonymized, `photos` or `faces`.
        kept: preset -> concordance in the saved files.
        privacy: preset -> privacy report.
    """

    pictures: str
    kept: dict[Preset, KeptDecisions]
    privacy: dict[Preset, Findings]


def page(results: Mapping[str, AnonymizerResult]) -> dict[str, str]:
    """Name -> table in Markdown, of anonymizer -> what was measured."""
    return {
        "kept": kept_table(results),
        "fast": privacy_table(results, "fast"),
        "transfer": privacy_table(results, "transfer"),
        "faces": faces_table(results),
    }


def share(value: float | None) -> str:
    """A share in percent, a dash where there is none."""
    return "-" if value is None else f"{100 * value:.1f}"


def kept_table(results: Mapping[str, AnonymizerResult]) -> str:
    """Concordance in the saved files, by anonymizer."""
    head = [
        "anonymizer", "images", "sources, before", "sources, `fast`", "target, `fast`",
        "sources, `transfer`", "target, `transfer`",
    ]  # fmt: skip
    rows = []
    for name, result in results.items():
        *sources, _ = result["kept"]["fast"]["concordance"].values()
        before = " / ".join(share(source["anonymized"]) for source in sources)
        cells = [name, str(result["kept"]["fast"]["images"]), before]
        for preset in PRESETS:
            *sources, target = result["kept"][preset]["concordance"].values()
            cells.append(" / ".join(share(source["adapted"]) for source in sources))
            cells.append(f"{share(target['anonymized'])} to {share(target['adapted'])}")
        rows.append(cells)
    return table(head, rows, markdown=True)


def privacy_table(results: Mapping[str, AnonymizerResult], preset: Preset) -> str:
    """Rank-1 re-identification before and after: by features, under the best of the attacks."""
    head = [
        "anonymizer", "features", "of", "anonymized", "with the decisions", "adapted",
        "worse after",
    ]  # fmt: skip
    rows = []
    for name, result in results.items():
        kinds: dict[tuple[str, bool], list[Reidentification]] = {}
        for row in result["privacy"][preset]["reidentification"]:
            kinds.setdefault((row["features"], "known" in row["attack"]), []).append(row)
        for (features, known), found in kinds.items():
            label = f"{features} ({found[0]['attack']})" if known else features
            gains = ", ".join(filter(None, map(gain, found))) or "-"
            rows.append([name, label, str(found[0]["gallery"]), *_best(found), gains])
    return table(head, rows, markdown=True)


def _best(rows: Sequence[Reidentification]) -> list[str]:
    """Highest share found: from anonymized images, with the decisions, from adapted images."""
    ranks = [row["rank1"] for row in rows]
    found = (
        [rank["anonymized"] for rank in ranks if "anonymized" in rank],
        [rank[WITH_DECISIONS] for rank in ranks if WITH_DECISIONS in rank],
        [rank["adapted"] for rank in ranks],
    )
    return [share(max((each["mean"] for each in shares), default=None)) for shares in found]


def gain(row: Reidentification) -> str | None:
    """An attack that finds more after adaptation, and how much; None where it finds no more.

    In bold where it finds more than the decisions tell.
    """
    worse = verdict(row)
    if worse in ("unknown", "not worse"):
        return None
    attack = "as published" if row["attack"] == "none" else row["attack"]
    first, *_ = [
        f"+{100 * rank['difference']['mean']:.0f}{note}"
        for rank, note in ((row["rank1"], ""), (row["rank5"], " at rank 5"))
        if rank["difference"]["worse"]
    ]
    text = f"{attack} ({first})"
    return f"**{text}**" if worse == "worse" else text


def faces_table(results: Mapping[str, AnonymizerResult]) -> str:
    """Faces that the detector still finds, and how alike the images are to the originals."""
    head = [
        "anonymizer", "preset", "faces found again, before", "after", "SSIM, before", "after",
        "PSNR, before", "after",
    ]  # fmt: skip
    rows = []
    for name, result in results.items():
        for preset, found in result["privacy"].items():
            faces, alike = found["faces"], found["similarity"]
            again = [faces["anonymized"], faces["adapted"]] if faces else []
            before, after = alike["anonymized"], alike["adapted"]
            rows.append(
                [
                    name,
                    f"`{preset}`",
                    *([share(each["mean"]) for each in again] or ["-", "-"]),
                    *(f"{measures['ssim']['mean']:.3f}" for measures in (before, after)),
                    *(f"{measures['psnr']['mean']:.1f}" for measures in (before, after)),
                ]
            )
    return table(head, rows, markdown=True)
