"""One image under examination: every picture of it, as the attackers' eyes see it (host work)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from jaxanon.anonymizers.strength import REFERENCE_SIDE
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.pipeline.manifest import psnr
from jaxanon.privacy.attacks import ATTACKS, DEBLURRING
from jaxanon.privacy.face_embeddings import Embedder, Window
from jaxanon.regions.faces import Detector
from jaxanon.regions.region import Box

THUMBNAIL = 32
COMPARED = 2_000_000
"""Pixels from which images are reduced before their similarity is measured."""
MOST = 100.0
"""PSNR of equal images, in dB."""
MARGIN = 15
"""Side of the square, in pixels, around each changed pixel that counts as hidden with it: under a
blur, some happen to stay as they were."""
OVERLAP = 0.3
"""Intersection over union from which a face found is the one of the original."""


class Column(NamedTuple):
    """A picture of an image: `original`, `anonymized` or `adapted`; and what was done to it."""

    stage: str
    attack: str = "none"


@dataclass(frozen=True)
class SeenFace:
    """A face: embeddings `(columns, 128)`, and in which stages the detector finds it."""

    embeddings: np.ndarray
    found: Mapping[str, bool]


@dataclass(frozen=True)
class Seen:
    """An image examined.

    Attributes:
        views: per column what each classifier sees.
        thumbnails: `(columns, d)` float32.
        likeness: stage -> {"ssim": ..., "psnr": ...}, to the original.
        faces: those of the original; None where faces were not looked for.
    """

    views: tuple[Views, ...]
    thumbnails: np.ndarray
    likeness: Mapping[str, Mapping[str, float]]
    faces: tuple[SeenFace, ...] | None

    def without_views(self) -> Seen:
        """The same without what takes most of the memory."""
        return replace(self, views=())


class Examiner:
    """Looks at images as attackers would; any thread may ask.

    Args:
        ensemble: the classifiers whose features are compared.
        deviation: of the blur to undo, in pixels of a 256-pixel short side.
        stages: `adapted`, and `anonymized` where these images are there.
        copies: whether several adapted copies are there to be averaged.
        faces: a detector and an embedder, to look at faces too.
    """

    def __init__(
        self,
        ensemble: Ensemble,
        deviation: float,
        stages: Sequence[str],
        *,
        copies: bool,
        faces: tuple[Detector, Embedder] | None = None,
    ) -> None:
        self.ensemble, self.deviation, self.faces = ensemble, deviation, faces
        averaged = [Column("adapted", "average")] if copies else []
        self.columns = (
            Column("original"),
            *(Column(stage, attack) for stage in stages for attack in ("none", *ATTACKS)),
            *averaged,
        )

    def look(
        self,
        original: np.ndarray,
        published: Mapping[str, np.ndarray],
        copies: Sequence[np.ndarray] = (),
    ) -> Seen:
        """Examine an image.

        Args:
            original: `(H, W, 3)` uint8.
            published: stage -> a picture of the same size.
            copies: further adapted ones, made with other seeds.
        """
        pictures = {"original": original, **published}
        hidden = hidden_in(original, published["anonymized"]) if "anonymized" in published else None
        mean = (
            _mean([published["adapted"], *copies]) if Column("adapted", "average") in self.columns
            else original
        )  # fmt: skip

        def made(column: Column) -> np.ndarray:
            if column.attack == "average":
                return mean
            if column.attack == "none":
                return pictures[column.stage]
            small, scale = _reduced(pictures[column.stage])
            where = None if hidden is None else _reduced(hidden)[0]
            return _attacked(small, column.attack, self.deviation * scale, where)

        shown = [made(column) for column in self.columns]
        return Seen(
            views=tuple(self.ensemble.look(picture) for picture in shown),
            thumbnails=np.stack([_thumbnail(picture) for picture in shown]),
            likeness={stage: likeness(original, p) for stage, p in published.items()},
            faces=self._faces(original, pictures, mean, hidden) if self.faces else None,
        )

    def _faces(
        self,
        original: np.ndarray,
        pictures: Mapping[str, np.ndarray],
        mean: np.ndarray,
        hidden: np.ndarray | None,
    ) -> tuple[SeenFace, ...]:
        assert self.faces is not None
        detector, embedder = self.faces
        boxes = {stage: detector(pictures[stage]) for stage in pictures if stage != "original"}
        scale = min(original.shape[:2]) / REFERENCE_SIDE
        seen = []
        for box in detector.sure(original):
            window = embedder.window(original, box)
            cuts = [
                self._cut(window, mean if column.attack == "average" else pictures[column.stage],
                          column.attack, scale, hidden)
                for column in self.columns
            ]  # fmt: skip
            embeddings = np.stack([embedder.embed(window, cut) for cut in cuts])
            found = {
                stage: any(overlap(box, other) >= OVERLAP for other in others)
                for stage, others in boxes.items()
            }
            seen.append(SeenFace(embeddings, found))
        return tuple(seen)

    def _cut(
        self,
        window: Window,
        picture: np.ndarray,
        attack: str,
        scale: float,
        hidden: np.ndarray | None,
    ) -> np.ndarray:
        """A face cut out and attacked; `scale` is in pixels per pixel that strengths count in."""
        cut = window.cut(picture)
        if attack not in ATTACKS:
            return cut
        where = None if hidden is None else window.cut(hidden)
        return _attacked(cut, attack, self.deviation * scale * window.scale, where)


def _mean(pictures: Sequence[np.ndarray]) -> np.ndarray:
    mean = np.mean([picture.astype(np.float32) for picture in pictures], 0)
    return np.asarray(np.rint(mean), np.uint8)


def hidden_in(original: np.ndarray, anonymized: np.ndarray) -> np.ndarray:
    """What the anonymizer has touched, `(H, W)` uint8, 255 there, else 0."""
    changed = (original != anonymized).any(-1)
    return np.asarray(ndimage.maximum_filter(changed, MARGIN), np.uint8) * 255


def _reduced(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """At most at the size that strengths are given for; and pixels there per such pixel.

    Args:
        picture: `(H, W, 3)` or `(H, W)` uint8.
    """
    height, width = picture.shape[:2]
    scale = REFERENCE_SIDE / min(height, width)
    if scale >= 1:
        return picture, 1 / scale
    size = round(width * scale), round(height * scale)
    small = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(small), 1.0


def _attacked(
    picture: np.ndarray, attack: str, deviation: float, where: np.ndarray | None
) -> np.ndarray:
    """A picture attacked; only deblurred where it is known to be blurred (from 128 on)."""
    values = ATTACKS[attack](picture.astype(np.float64) / 255, deviation)
    changed = np.asarray(np.rint(values * 255), np.uint8)
    if where is None or attack not in DEBLURRING:
        return changed
    return np.where(where[..., None] >= 128, changed, picture)


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    small = Image.fromarray(picture).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float32).reshape(-1)


def likeness(original: np.ndarray, published: np.ndarray) -> dict[str, float]:
    """SSIM (Wang et al., 2004) and PSNR in dB (at most `MOST`, that of equal images).

    Of images reduced to `COMPARED` pixels where they have more.
    """
    from skimage.metrics import structural_similarity

    pictures = [original, published]
    pixels = original.shape[0] * original.shape[1]
    if pixels > COMPARED:
        scale = (COMPARED / pixels) ** 0.5
        size = round(original.shape[1] * scale), round(original.shape[0] * scale)
        pictures = [np.asarray(Image.fromarray(p).resize(size)) for p in pictures]
    a, b = pictures
    ssim = structural_similarity(a, b, channel_axis=-1, data_range=255)
    decibels = psnr(a.astype(np.int16) - b)
    return {"ssim": float(ssim), "psnr": MOST if decibels is None else min(MOST, decibels)}


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
