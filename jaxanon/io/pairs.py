"""Match the files of two folders by their relative path."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxanon.errors import ImageError
from jaxanon.io.files import InputFile, find
from jaxanon.io.images import decode


class Partners:
    """Finds, for each original, the file of another folder that was made from it.

    It has the same relative path, the suffix aside; where the maker kept the old suffix inside
    the new name (`a.jpg` -> `a.jpg.png`), that one comes first. Reports (`.json`) are no partners.

    Args:
        folder: where the partners are.
        originals: all of them, so that no two get the same partner.

    Raises:
        UsageError: when the folder does not exist or is empty.
    """

    def __init__(self, folder: Path, originals: Sequence[InputFile]) -> None:
        self.folder = folder
        self.exact: dict[str, InputFile] = {}
        self.without_suffix: dict[str, list[InputFile]] = defaultdict(list)
        for source in find([folder]):
            if source.path.suffix != ".json":
                self.exact[source.relative.as_posix()] = source
                self.without_suffix[source.relative.with_suffix("").as_posix()].append(source)
        self.taken = Counter(
            found[0].path for found in map(self._candidates, originals) if len(found) == 1
        )

    def find(self, original: InputFile) -> InputFile:
        """The partner.

        Raises:
            ImageError: when there is none, more than one, or it is another original's as well.
        """
        found = self._candidates(original)
        if not found:
            stem = original.relative.with_suffix("")
            views = sorted(self.folder.glob("view-*"))
            hint = f"; it holds several views: give one, such as {views[0]}" if views else ""
            raise ImageError(f"{original.path}: no {stem}.* in {self.folder}{hint}")
        if len(found) > 1:
            names = ", ".join(str(source.relative) for source in found)
            raise ImageError(f"{original.path}: more than one partner in {self.folder}: {names}")
        if self.taken[found[0].path] > 1:
            raise ImageError(
                f"{original.path}: {found[0].path} is the partner of another original as well"
            )
        return found[0]

    def path_of(self, original: InputFile) -> Path | None:
        """The partner's path; None where there is not just one."""
        found = self._candidates(original)
        return found[0].path if len(found) == 1 else None

    def _candidates(self, original: InputFile) -> list[InputFile]:
        whole = original.relative.as_posix()
        stem = original.relative.with_suffix("").as_posix()
        exact = [self.exact[whole]] if whole in self.exact else []
        return self.without_suffix.get(whole, []) or exact or self.without_suffix.get(stem, [])

    def strangers(self, originals: Sequence[InputFile]) -> list[InputFile]:
        """Files of the folder that are no original's partner."""
        partners = {found.path for original in originals for found in self._candidates(original)}
        return [source for source in self.exact.values() if source.path not in partners]


def decode_together(original: InputFile, *partners: InputFile) -> tuple[np.ndarray, ...]:
    """The pictures of an original and of what was made from it, all of one size.

    Raises:
        ImageError: when one cannot be decoded, or has another size than the original.
    """
    pictures = tuple(decode(source.path) for source in (original, *partners))
    height, width = pictures[0].shape[:2]
    for partner, picture in zip(partners, pictures[1:], strict=True):
        h, w = picture.shape[:2]
        if (h, w) != (height, width):
            turned = " (turned by 90 degrees?)" if (h, w) == (width, height) else ""
            raise ImageError(
                f"{original.path} has {width}x{height} pixels, {partner.path} has {w}x{h}{turned}"
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


def check_orientation(original: np.ndarray, partner: np.ndarray, path: Path) -> None:
    """Refuse a partner of the same size that was turned: tools that do not know EXIF make such.

    Both are reduced to a few pixels first, which anonymizers leave alike.

    Raises:
        ImageError: naming the partner, when it fits clearly better turned.
    """
    wanted, given = (_coarse(picture) for picture in (original, partner))
    straight = (wanted * given).sum()
    for name, turn in TURNS.items():
        fits = (wanted * turn(given)).sum()
        if fits > ALIKE and fits > straight + APART:
            raise ImageError(f"{path}: it seems to be {name}, against the original")


def _coarse(picture: np.ndarray) -> np.ndarray:
    """The picture in 16 by 16 grey cells, without its mean and of length one."""
    small = Image.fromarray(picture).convert("L").resize((16, 16), Image.Resampling.BOX)
    cells = np.asarray(small, float)
    cells = cells - cells.mean()
    return np.asarray(cells / max(float(np.linalg.norm(cells)), 1e-9))
