"""Masks in a folder: whatever is not black is private."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from jaxanon.errors import ImageError
from jaxanon.io.masks import decode_mask
from jaxanon.regions.region import Region

ENDINGS = ("_mask", "-mask", ".mask", "_segmentation", "_seg")
"""What may stand between the name of an image and the suffix of its mask."""


class MaskRegions:
    """Finds an image's region in a folder of masks, of the names and sizes of the images.

    Args:
        folder: mirrors the input folder.
        inputs: paths of all images below it, none of which may get the mask of another.
    """

    def __init__(self, folder: Path, inputs: Sequence[PurePath] = ()) -> None:
        self.folder = folder
        self._stems = {relative.with_suffix("") for relative in inputs}

    def __call__(self, relative: PurePath, original: np.ndarray) -> Region:
        """The region of an image `(H, W, 3)` uint8, by its path below the input folder.

        Raises:
            ImageError: when there is not one mask of its name and size, or it cannot be read.
        """
        height, width = original.shape[:2]
        found = self._candidates(relative)
        if len(found) != 1:
            place = (self.folder / relative).parent
            near = difflib.get_close_matches(relative.stem, _stems(place), n=3, cutoff=0.5)
            raise ImageError(
                f"{relative}: {len(found) or 'no'} masks named {relative.stem}.* "
                f"in {place}; there must be one"
                + (f" (near matches: {', '.join(near)})" if near and not found else "")
            )
        mask = decode_mask(found[0])
        if mask.shape != (height, width):
            raise ImageError(
                f"{relative}: its mask {found[0]} has {mask.shape[1]}x{mask.shape[0]} pixels, "
                f"the image {width}x{height}"
            )
        return Region(mask, mask)

    def _candidates(self, relative: PurePath) -> list[Path]:
        """The masks that may be an image's; those of its bare name before those with an ending."""
        place = (self.folder / relative).parent
        try:
            files = sorted(
                file
                for file in (place.iterdir() if place.is_dir() else ())
                if file.is_file() and file.stem.startswith(relative.stem)
            )
        except OSError as error:
            raise ImageError(f"{place}: cannot be read: {error.strerror}") from error
        exact = [file for file in files if file.stem in (relative.stem, relative.name)]
        names = {relative.stem + ending for ending in ENDINGS}
        return exact or [
            file
            for file in files
            if file.stem in names and relative.with_name(file.stem) not in self._stems
        ]


def _stems(folder: Path) -> list[str]:
    return [file.stem for file in folder.iterdir()] if folder.is_dir() else []
