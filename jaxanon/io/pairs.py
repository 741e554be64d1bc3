"""Match the images of two inputs by their relative path, and check that they fit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np
from PIL import Image

from jaxanon.errors import ImageError
from jaxanon.io.images import decode
from jaxanon.io.inputs import InputImage, Inputs


class Partners:
    """Finds, for each original, the image among others that was made from it.

    It has the same relative path, the suffix aside; where the maker kept the old suffix inside
    the new name (`a.jpg` -> `a.jpg.png`), that one comes first. Reports (`.json`) are no partners.

    Args:
        partners: where the partners are.
        originals: all of them, so that no two get the same partner.
    """

    def __init__(self, partners: Inputs, originals: Iterable[InputImage]) -> None:
        self.name = partners.name
        self._exact: dict[str, InputImage] = {}
        self._without_suffix: dict[str, list[InputImage]] = defaultdict(list)
        for image in partners:
            if image.relative.suffix != ".json":
                self._exact[image.relative.as_posix()] = image
                self._without_suffix[image.relative.with_suffix("").as_posix()].append(image)
        candidates = map(self._candidates, originals)
        self._claims = Counter(found[0].name for found in candidates if len(found) == 1)

    def find(self, original: InputImage) -> InputImage:
        """The partner of an original.

        Raises:
            ImageError: when there is none, more than one, or it is another original's as well.
        """
        found = self._candidates(original)
        if not found:
            stem = original.relative.with_suffix("")
            raise ImageError(f"{original.name}: no {stem}.* in {self.name}{self._hint()}")
        if len(found) > 1:
            names = ", ".join(str(image.relative) for image in found)
            raise ImageError(f"{original.name}: more than one partner in {self.name}: {names}")
        if self._claims[found[0].name] > 1:
            raise ImageError(
                f"{original.name}: {found[0].name} is the partner of another original as well"
            )
        return found[0]

    def find_unique(self, original: InputImage) -> InputImage | None:
        """The partner of an original; None where there is not just one."""
        found = self._candidates(original)
        return found[0] if len(found) == 1 else None

    def unmatched(self, originals: Iterable[InputImage]) -> list[InputImage]:
        """Images among the partners that are no original's partner."""
        partners = {image.name for original in originals for image in self._candidates(original)}
        return [image for image in self._exact.values() if image.name not in partners]

    def _candidates(self, original: InputImage) -> list[InputImage]:
        whole = original.relative.as_posix()
        stem = original.relative.with_suffix("").as_posix()
        exact = [self._exact[whole]] if whole in self._exact else []
        return self._without_suffix.get(whole, []) or exact or self._without_suffix.get(stem, [])

    def _hint(self) -> str:
        """What to give instead, where they hold several views of each original."""
        tops = {image.relative.parts[0] for image in self._exact.values()}
        views = sorted(top for top in tops if top.startswith("view-"))
        if not views:
            return ""
        return f"; it holds several views: give one, such as {self.name}/{views[0]}"


def decode_together(original: InputImage, *partners: InputImage) -> tuple[np.ndarray, ...]:
    """The pictures of an original and of what was made from it, all of one size.

    Returns:
        `(H, W, 3)` uint8 each, the original's first.

    Raises:
        ImageError: when one cannot be decoded, or has another size than the original.
    """
    pictures = tuple(decode(image) for image in (original, *partners))
    height, width = pictures[0].shape[:2]
    for partner, picture in zip(partners, pictures[1:], strict=True):
        h, w = picture.shape[:2]
        if (h, w) != (height, width):
            turned = " (turned by 90 degrees?)" if (h, w) == (width, height) else ""
            raise ImageError(
                f"{original.name} has {width}x{height} pixels, {partner.name} has {w}x{h}{turned}"
            )
    return pictures


TURNS = {
    "turned by 90 degrees": lambda picture: np.rot90(picture),
    "turned by 180 degrees": lambda picture: np.rot90(picture, 2),
    "turned by 270 degrees": lambda picture: np.rot90(picture, 3),
    "mirrored left to right": np.fliplr,
    "mirrored top to bottom": np.flipud,
    "mirrored along its diagonal": lambda picture: np.swapaxes(picture, 0, 1),
    "mirrored along its other diagonal": lambda picture: np.swapaxes(np.rot90(picture, 2), 0, 1),
}
ALIKE, APART = 0.6, 0.2
"""Correlations from which pictures count as one scene, and by how much one must be ahead."""


def check_orientation(original: np.ndarray, partner: np.ndarray, name: str) -> None:
    """Refuse a partner of the same size that was turned: tools that do not know EXIF make such.

    Both are reduced to a few pixels first, which anonymizers leave alike.

    Args:
        original: the original, `(H, W, 3)` uint8.
        partner: what was made from it, `(H, W, 3)` uint8, of the same size.
        name: name of the partner, for the error.

    Raises:
        ImageError: naming the partner, when it fits clearly better turned.
    """
    coarse, coarse_partner = (_coarse(picture) for picture in (original, partner))
    straight = (coarse * coarse_partner).sum()
    for turned, turn in TURNS.items():
        fits = (coarse * turn(coarse_partner)).sum()
        if fits > ALIKE and fits > straight + APART:
            raise ImageError(f"{name}: it seems to be {turned}, against the original")


def _coarse(picture: np.ndarray) -> np.ndarray:
    """The picture in 16 by 16 grey cells, without its mean and of length one."""
    small = Image.fromarray(picture).convert("L").resize((16, 16), Image.Resampling.BOX)
    cells = np.asarray(small, float)
    cells = cells - cells.mean()
    return np.asarray(cells / max(float(np.linalg.norm(cells)), 1e-9))
