"""Regions as commands ask for them: found, listed, counted, shown."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jaxanon.display.sheet import preview
from jaxanon.errors import ImageError, UsageError
from jaxanon.io import files, images
from jaxanon.regions.boxes import Region
from jaxanon.regions.choice import regions
from jaxanon.regions.faces import Detector
from jaxanon.runtime.workers import PIXELS_AT_ONCE

MOST = 24
"""Pictures on a preview."""

Finder = Callable[[files.InputFile, np.ndarray], Region]


def region_finder(args: Namespace, sources: Sequence[files.InputFile]) -> Finder:
    """Regions by input, refused where two inputs would share an annotation.

    Raises:
        UsageError: for regions that cannot be had, options that mean nothing for them, or a file
            of further boxes that lists what is not among the inputs.
    """
    where = regions(
        args.regions,
        growth=args.grow,
        find_faces=lambda: Detector(args.threshold),
        also=args.also,
        exempt=args.exempt,
        inputs=[source.relative for source in sources],
    )
    if args.threshold is not None and args.regions != "faces":
        raise UsageError(f"--threshold goes with --regions faces, not with {args.regions}")
    namesakes = Counter(source.relative.with_suffix("") for source in sources)
    listed = args.regions not in ("whole", "faces") or args.also or args.exempt

    def find(source: files.InputFile, original: np.ndarray) -> Region:
        if listed and namesakes[source.relative.with_suffix("")] > 1:
            raise ImageError(
                f"{source.path}: another input is called {source.relative.with_suffix('')} too, "
                "so its region is unclear; rename one, or run them apart"
            )
        return where(source.relative, original)

    return find


def write_preview(path: Path, sources: Sequence[files.InputFile], find: Finder) -> None:
    """Write a sheet of the first inputs with their regions; what cannot be read is left out."""
    rows: list[tuple[np.ndarray, Region]] = []
    pixels = 0
    for source in sources:
        if len(rows) == MOST or pixels >= PIXELS_AT_ONCE:
            break
        try:
            picture = images.decode(source.path)
            rows.append((picture, find(source, picture)))
        except ImageError:
            continue  # the run names it when its turn comes
        pixels += picture.shape[0] * picture.shape[1]
    if rows:
        files.write(path, preview(rows))
