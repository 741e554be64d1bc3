"""Masks in a folder: whatever is not black is private."""

from __future__ import annotations

from pathlib import Path, PurePath

import numpy as np

from jaxanon.errors import ImageError
from jaxanon.io.masks import decode_mask
from jaxanon.regions.region import Region


class MaskRegions:
    """Finds an image's region in a folder of masks, of the names and sizes of the images.

    Args:
        folder: mirrors the input folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, relative: PurePath, original: np.ndarray) -> Region:
        """The region of an image `(H, W, 3)` uint8, by its path below the input folder.

        Raises:
            ImageError: when there is not one mask of its name and size, or it cannot be read.
        """
        height, width = original.shape[:2]
        place = self.folder / relative
        try:
            found = sorted(
                file
                for file in (place.parent.iterdir() if place.parent.is_dir() else ())
                if file.is_file() and file.stem in (relative.stem, relative.name)
            )
        except OSError as error:
            raise ImageError(f"{place.parent}: cannot be read: {error.strerror}") from error
        if len(found) != 1:
            raise ImageError(
                f"{relative}: {len(found) or 'no'} masks named {relative.stem}.* "
                f"in {place.parent}; there must be one"
            )
        mask = decode_mask(found[0])
        if mask.shape != (height, width):
            raise ImageError(
                f"{relative}: its mask {found[0]} has {mask.shape[1]}x{mask.shape[0]} pixels, "
                f"the image {width}x{height}"
            )
        return Region(mask, mask)
