"""Pictures for those who may see the originals: sheets, pages, previews of what is private."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.display.sheet import preview, sheet
from jaxanon.errors import ImageError
from jaxanon.io.files import write
from jaxanon.io.images import decode, read_image
from jaxanon.io.inputs import InputImage
from jaxanon.io.small_jpeg import small_jpeg
from jaxanon.pipeline.item import Item
from jaxanon.pipeline.record import key
from jaxanon.pipeline.report import Report
from jaxanon.pipeline.thumbnails import ORIGINAL, Thumbnails
from jaxanon.regions.finder import RegionFinder
from jaxanon.regions.region import Region
from jaxanon.runtime.workers import PIXELS_AT_ONCE

MOST = 24
"""Images on a sheet."""


def write_sheet(path: Path, items: Sequence[Item], report: Report, ensemble: Ensemble) -> None:
    """Write the contact sheet of a run's first saved images."""
    by_key = {item.key: item for item in items}
    rows: list[tuple[np.ndarray, ...]] = []
    pixels = 0
    for record in report["images"]:
        if record["output"] is not None and len(rows) < MOST and pixels < PIXELS_AT_ONCE:
            loaded = by_key[key(record["input"], record["view"])].load()
            saved = read_image(record["output"])
            rows.append((loaded.original, loaded.anonymized, saved))
            pixels += saved.shape[0] * saved.shape[1]
    if rows:
        write(path, sheet(rows, ensemble))


def with_originals(
    thumbnails: Mapping[str, Thumbnails], items: Iterable[Item]
) -> Mapping[str, Thumbnails]:
    """Thumbnails with the originals among them, by key; not those that cannot be read any more."""
    found = dict(thumbnails)
    for item in items:
        if small := found.get(item.key):
            with suppress(ImageError):
                original = small_jpeg(item.load().original)
                found[item.key] = replace(small, pictures={ORIGINAL: original, **small.pictures})
    return found


def write_preview(path: Path, images: Iterable[InputImage], find: RegionFinder) -> None:
    """Write a sheet of the first inputs with what is private; what cannot be read is left out."""
    rows: list[tuple[np.ndarray, Region]] = []
    pixels = 0
    for image in images:
        if len(rows) == MOST or pixels >= PIXELS_AT_ONCE:
            break
        try:
            picture = decode(image)
            rows.append((picture, find(image.relative, picture)))
        except ImageError:
            continue  # the run names it when its turn comes
        pixels += picture.shape[0] * picture.shape[1]
    if rows:
        write(path, preview(rows))
