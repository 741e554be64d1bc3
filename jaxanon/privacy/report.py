"""The privacy report: its fields as the JSON file has them, and the verdict on a row."""

from __future__ import annotations

from typing import Final, Literal, NotRequired, TypedDict

from jaxanon.metrics import Interval
from jaxanon.privacy.identification import Comparison

WITH_DECISIONS: Final = "told"
"""Key of the shares that an attacker reaches with the anonymized images and, besides, the sources'
decisions on the originals."""


class MeanInterval(TypedDict):
    """A mean and the bounds of its 95 % confidence interval."""

    mean: float
    low: float
    high: float


class RankShares(TypedDict):
    """Shares of images whose own original is among so many nearest, per kind of published image.

    Attributes:
        anonymized: share found from the anonymized images, where they are at hand.
        told: the same with the sources' decisions on the originals, see `WITH_DECISIONS`.
        adapted: share found from the adapted images.
        chance: share that guessing finds.
        difference: adapted against anonymized images.
        beyond_decisions: adapted images against anonymized ones with the decisions.
    """

    anonymized: NotRequired[MeanInterval]
    told: NotRequired[MeanInterval]
    adapted: MeanInterval
    chance: float
    difference: NotRequired[Comparison]
    beyond_decisions: NotRequired[Comparison]


class Reidentification(TypedDict):
    """One way to look for the originals of published images, and what it finds.

    Attributes:
        features: what pictures are compared by, such as `pixels`.
        attack: what is done to the published image before, or what else the attacker knows.
        gallery: number of originals among which one is looked for.
        rank1: shares of images whose own original is the nearest.
        rank5: shares of images whose own original is among the five nearest.
    """

    features: str
    attack: str
    gallery: int
    rank1: RankShares
    rank5: RankShares


class FaceDetection(TypedDict):
    """Faces of the originals that a detector still finds.

    Attributes:
        faces: number of faces in the originals.
        anonymized: share found in the anonymized images, where they are at hand.
        adapted: share found in the adapted images.
        difference: adapted against anonymized images.
    """

    faces: int
    anonymized: NotRequired[MeanInterval]
    adapted: NotRequired[MeanInterval]
    difference: NotRequired[Comparison]


class Findings(TypedDict):
    """What was measured.

    Attributes:
        similarity: stage -> `ssim` or `psnr` (dB) -> mean over images, to the originals.
        faces: None where faces were not looked for, or no original shows one.
        reidentification: one row per kind of features and attack.
    """

    similarity: dict[str, dict[str, MeanInterval]]
    faces: FaceDetection | None
    reidentification: list[Reidentification]


class StatedGuarantee(TypedDict):
    """What a run guarantees of its images, as its report states it.

    Attributes:
        bits: bits of the original that an image tells at most; None where that is not known.
        text: the same in words.
    """

    bits: float | None
    text: str


class PrivacyReport(Findings):
    """The report of `jaxanon privacy`.

    Attributes:
        schema: version of this format.
        version: version of the package.
        images: number of images compared.
        failed: one line per image that could not be compared.
        classifiers: name of a group -> names of the classifiers whose logits are its features.
        deviation: of the blur that is undone, in pixels of a 256-pixel short side.
        deviation_assumed: whether that is a default, as the anonymizer's strength is not known.
        decisions_left_out: why attackers who know the decisions were left out, if they were.
        copies: number of further adapted copies that were averaged.
        faces_left_out: why faces were left out, if they were.
        guarantee: what the run that made the images guarantees.
        bits_to_single_out: bits that single out one of the images.
    """

    schema: int
    version: str
    images: int
    failed: list[str]
    classifiers: dict[str, list[str]]
    deviation: float
    deviation_assumed: bool
    decisions_left_out: str | None
    copies: int
    faces_left_out: str | None
    guarantee: StatedGuarantee
    bits_to_single_out: float


def as_json(interval: Interval) -> MeanInterval:
    """An interval as reports have it, with four decimals."""
    return {
        "mean": round(interval.mean, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
    }


Verdict = Literal["unknown", "not worse", "not beyond the decisions", "worse"]


def verdict(row: Reidentification) -> Verdict:
    """Whether adapted images betray their originals more than anonymized images do.

    Returns:
        `unknown` without anonymized images; `not worse` where no more are found, at rank 1 and 5;
        `not beyond the decisions` where an attacker with the anonymized images and the sources'
        decisions finds as many; else `worse`.
    """
    ranks = (row["rank1"], row["rank5"])
    if "difference" not in ranks[0]:
        return "unknown"
    if not any(rank["difference"]["worse"] for rank in ranks):
        return "not worse"
    beyond = [rank.get("beyond_decisions") for rank in ranks]
    if any(comparison is None or comparison["worse"] for comparison in beyond):
        return "worse"
    return "not beyond the decisions"
