"""A sheet that shows, before a run, what of its images is private."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxanon.classifiers.ensemble import PIXELS_AT_ONCE
from jaxanon.display.sheet import preview
from jaxanon.errors import ImageError
from jaxanon.io import files, images
from jaxanon.regions.finder import RegionFinder
from jaxanon.regions.region import Region

MOST = 24
"""Pictures on a preview."""


def write_preview(path: Path, inputs: Sequence[files.InputFile], find: RegionFinder) -> None:
    """Write a sheet of the first inputs with their regions; what cannot be read is left out.

    Args:
        path: of the PNG.
        inputs: the images of the run, of which at most `MOST` are shown.
        find: finds their regions.
    """
    rows: list[tuple[np.ndarray, Region]] = []
    pixels = 0
    for source in inputs:
        if len(rows) == MOST or pixels >= PIXELS_AT_ONCE:
            break
        try:
            picture = images.decode(source.path)
            rows.append((picture, find(source.relative, picture)))
        except ImageError:
            continue  # the run names it when its turn comes
        pixels += picture.shape[0] * picture.shape[1]
    if rows:
        files.write(path, preview(rows))
