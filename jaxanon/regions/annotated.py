"""The regions of images by their annotations."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from jaxanon.errors import ImageError, printable
from jaxanon.regions.annotations import Annotations
from jaxanon.regions.region import Region
from jaxanon.regions.shapes import AnnotatedShape, ShapeOptions, region_from_shapes

log = logging.getLogger("jaxanon")
SCALES = (100, 1000)
"""To which some tools scale coordinates, whatever the size of the image."""


class AnnotatedRegions:
    """Finds an image's region by annotations.

    Args:
        annotations: of all images; one without an entry is refused.
        options: how shapes become regions.

    Raises:
        UsageError: for categories that stand nowhere in the annotations.
    """

    def __init__(self, annotations: Annotations, options: ShapeOptions) -> None:
        self.annotations, self.options, self._said = annotations, options, False
        annotations.check_classes(options.classes or ())

    def __call__(self, relative: PurePath, original: np.ndarray) -> Region:
        """The region of an image `(H, W, 3)` uint8, by its path below the input folder.

        Raises:
            ImageError: when there are no annotations for it, or they do not fit.
        """
        height, width = original.shape[:2]
        self._say_where_unclear(relative, height, width)
        shapes = self.annotations.shapes_in(relative, height, width, self.options)
        if shapes is None:
            raise ImageError(
                f"{relative}: no entry in {self.annotations.path}; nothing was anonymized, so "
                "nothing was written (list an image that has nothing private with empty bboxes)"
                f"{self.annotations.hint(relative)}"
            )
        return checked_region(relative, shapes, original, self.options, self.annotations)

    def _say_where_unclear(self, relative: PurePath, height: int, width: int) -> None:
        """Say, once, that small coordinates are taken as pixels and not as parts of a scale."""
        of = self.annotations
        scales = [scale for scale in SCALES if of.largest <= scale <= min(height, width) / 2]
        if scales and not of.shares and not self._said:
            self._said = True
            text = "no coordinate in %s is above %d: they are taken as pixels of %dx%d, in %s"
            log.warning(text, of.path, scales[0], width, height, printable(str(relative)))


def checked_region(
    relative: PurePath,
    shapes: Sequence[AnnotatedShape],
    original: np.ndarray,
    options: ShapeOptions,
    annotations: Annotations | None = None,
) -> Region:
    """The region of shapes in an image, with errors that name the image.

    Args:
        relative: path of the image below the input folder.
        shapes: in pixels of the image.
        original: `(H, W, 3)` uint8.
        options: how shapes become regions.
        annotations: where the shapes are from, for the error.

    Raises:
        ImageError: when a shape cannot be in the image.
    """
    height, width = original.shape[:2]
    try:
        return region_from_shapes(
            shapes, height, width, options.growth, skip_empty=options.skip_empty
        )
    except ValueError as error:
        whose = f" of {annotations.path}" if annotations else ""
        raise ImageError(
            f"{relative}: {error}{whose}; is it of another size, orientation or format?"
        ) from error
