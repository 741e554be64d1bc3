"""One image examined: every variant of it, as attackers see it (host work)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from jaxanon.anonymizers.naive import REFERENCE_SIDE
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.metrics import psnr
from jaxanon.privacy.attacks import ATTACKS, DEBLURRING
from jaxanon.privacy.face_embeddings import Embedder, Window
from jaxanon.regions.boxes import Box
from jaxanon.regions.faces import Detector

THUMBNAIL = 32
"""Side, in pixels, of the small pictures that are compared pixel by pixel."""
MOST_COMPARED = 2_000_000
"""Pixels from which images are reduced before their similarity is measured."""
MOST_PSNR = 100.0
"""PSNR of equal images, in dB."""
HIDDEN_MARGIN = 15
"""Side of the square, in pixels, around each changed pixel that counts as hidden with it: under a
blur, some happen to stay as they were."""
OVERLAP = 0.3
"""Intersection over union from which a face that is found counts as the original's."""


class Variant(NamedTuple):
    """A variant of an image.

    Attributes:
        stage: `original`, `anonymized` or `adapted`.
        attack: what the attacker has done to it: `none`, `average` (of several adapted copies) or
            one of `ATTACKS`.
    """

    stage: str
    attack: str = "none"


@dataclass(frozen=True)
class ExaminedFace:
    """A face of an original, in every variant of the image.

    Attributes:
        embeddings: `(variants, 128)`.
        found: stage -> whether the detector finds the face there.
    """

    embeddings: np.ndarray
    found: Mapping[str, bool]


@dataclass(frozen=True)
class ExaminedImage:
    """What there is to compare of one image.

    Attributes:
        views: per variant what each classifier sees of it.
        thumbnails: `(variants, values)` float32, pixels of small pictures in [0, 255].
        likeness: stage -> {"ssim": ..., "psnr": ...}, to the original.
        faces: the original's faces; None where faces were not looked for.
    """

    views: tuple[Views, ...]
    thumbnails: np.ndarray
    likeness: Mapping[str, Mapping[str, float]]
    faces: tuple[ExaminedFace, ...] | None

    def without_views(self) -> ExaminedImage:
        """The image without its views, which take most of the memory."""
        return replace(self, views=())


class Examiner:
    """Looks at images as attackers would; any thread may ask.

    Args:
        ensemble: the classifiers whose features are compared.
        deviation: standard deviation of the blur to undo, in pixels of a 256-pixel short side.
        stages: stages to examine: `adapted`, and `anonymized` where these images are at hand.
        copies: whether several adapted copies are at hand, to be averaged.
        faces: a detector and an embedder, to examine faces too.
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
        averaged = [Variant("adapted", "average")] if copies else []
        self.variants = (
            Variant("original"),
            *(Variant(stage, attack) for stage in stages for attack in ("none", *ATTACKS)),
            *averaged,
        )

    def look(
        self,
        original: np.ndarray,
        published: Mapping[str, np.ndarray],
        copies: Sequence[np.ndarray] = (),
    ) -> ExaminedImage:
        """Examine an image: make all its variants, and take what attackers compare.

        Args:
            original: `(H, W, 3)` uint8.
            published: stage -> a picture of the same size.
            copies: further adapted pictures of the same size, made with other seeds.
        """
        pictures = {"original": original, **published}
        hidden = hidden_in(original, published["anonymized"]) if "anonymized" in published else None
        mean = (
            _mean([published["adapted"], *copies]) if Variant("adapted", "average") in self.variants
            else original
        )  # fmt: skip

        def show(variant: Variant) -> np.ndarray:
            if variant.attack == "average":
                return mean
            if variant.attack == "none":
                return pictures[variant.stage]
            small, scale = _reduced(pictures[variant.stage])
            where = None if hidden is None else _reduced(hidden)[0]
            return _attacked(small, variant.attack, self.deviation * scale, where)

        shown = [show(variant) for variant in self.variants]
        return ExaminedImage(
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
    ) -> tuple[ExaminedFace, ...]:
        assert self.faces is not None
        detector, embedder = self.faces
        boxes = {stage: detector(pictures[stage]) for stage in pictures if stage != "original"}
        scale = min(original.shape[:2]) / REFERENCE_SIDE
        examined = []
        for box in detector.sure(original):
            window = embedder.window(original, box)
            cuts = [
                self._cut(window, mean if variant.attack == "average" else pictures[variant.stage],
                          variant.attack, scale, hidden)
                for variant in self.variants
            ]  # fmt: skip
            embeddings = np.stack([embedder.embed(window, cut) for cut in cuts])
            found = {
                stage: any(overlap(box, other) >= OVERLAP for other in others)
                for stage, others in boxes.items()
            }
            examined.append(ExaminedFace(embeddings, found))
        return tuple(examined)

    def _cut(
        self,
        window: Window,
        picture: np.ndarray,
        attack: str,
        scale: float,
        hidden: np.ndarray | None,
    ) -> np.ndarray:
        """A face cut out and attacked; `scale`: pixels per pixel of a 256-pixel short side."""
        cut = window.cut(picture)
        if attack not in ATTACKS:
            return cut
        where = None if hidden is None else window.cut(hidden)
        return _attacked(cut, attack, self.deviation * scale * window.scale, where)


def _mean(pictures: Sequence[np.ndarray]) -> np.ndarray:
    mean = np.mean([picture.astype(np.float32) for picture in pictures], 0)
    return np.asarray(np.rint(mean), np.uint8)


def hidden_in(original: np.ndarray, anonymized: np.ndarray) -> np.ndarray:
    """Mask `(H, W)` uint8 of what the anonymizer has changed: 255 there, else 0."""
    changed = (original != anonymized).any(-1)
    return np.asarray(ndimage.maximum_filter(changed, HIDDEN_MARGIN), np.uint8) * 255


def _reduced(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """A picture reduced to a short side of 256 pixels where it has more, and its scale.

    The scale is its pixels per pixel of a 256-pixel short side, in which strengths are given.

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
    """A picture attacked; deblurred only where the mask `where`, if any, is at least 128."""
    values = ATTACKS[attack](picture.astype(np.float64) / 255, deviation)
    changed = np.asarray(np.rint(values * 255), np.uint8)
    if where is None or attack not in DEBLURRING:
        return changed
    return np.where(where[..., None] >= 128, changed, picture)


def _thumbnail(picture: np.ndarray) -> np.ndarray:
    small = Image.fromarray(picture).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float32).reshape(-1)


def likeness(original: np.ndarray, published: np.ndarray) -> dict[str, float]:
    """SSIM (Wang et al., 2004) and PSNR in dB of two uint8 images `(H, W, 3)`.

    Images of more than `MOST_COMPARED` pixels are reduced first; equal images have `MOST_PSNR`.
    """
    from skimage.metrics import structural_similarity

    pictures = [original, published]
    pixels = original.shape[0] * original.shape[1]
    if pixels > MOST_COMPARED:
        scale = (MOST_COMPARED / pixels) ** 0.5
        size = round(original.shape[1] * scale), round(original.shape[0] * scale)
        pictures = [np.asarray(Image.fromarray(p).resize(size)) for p in pictures]
    a, b = pictures
    ssim = structural_similarity(a, b, channel_axis=-1, data_range=255)
    decibels = psnr(a.astype(np.int16) - b)
    return {
        "ssim": float(ssim),
        "psnr": MOST_PSNR if decibels is None else min(MOST_PSNR, decibels),
    }


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
