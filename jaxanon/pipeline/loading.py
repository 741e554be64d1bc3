"""From an original to the image that hides it: what a run does first with each of its images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxanon.anonymizers import Anonymizer
from jaxanon.errors import errors_named
from jaxanon.io.colour import as_grey
from jaxanon.io.images import decode
from jaxanon.io.inputs import InputImage
from jaxanon.pipeline.hiding import Hiding
from jaxanon.pipeline.item import LoadedImage
from jaxanon.regions.finder import RegionFinder
from jaxanon.runtime.arrays import is_grey

Load = Callable[[InputImage, int], LoadedImage]
"""(original, number of the view from 0) -> the image read and anonymized; raises ImageError."""


@dataclass(frozen=True)
class Anonymizing:
    """Reads originals, finds what is private in them, hides it, and makes sure that it is hidden.

    Attributes:
        anonymizer: what hides.
        region_of: finds what is private.
        may_be_empty: whether it is fine where nothing is hidden.
        keep_grey: whether the image of a grey original is grey.
        looked_at: told of each original that has been read.
    """

    anonymizer: Anonymizer
    region_of: RegionFinder
    may_be_empty: bool
    keep_grey: bool
    looked_at: Callable[[InputImage], None] = lambda _: None

    def __call__(self, image: InputImage, view: int) -> LoadedImage:
        """Read and anonymize an original.

        Args:
            image: the original.
            view: which of the anonymizer's images of it to make, from 0.

        Raises:
            ImageError: when it cannot be read, or not be hidden.
        """
        original = decode(image)
        self.looked_at(image)
        region = self.region_of(image.relative, original)
        with errors_named(image.name):
            hidden = self.anonymizer(original, region, view)
            pixels, low = hidden.pixels, hidden.low_resolution
            if self.keep_grey and is_grey(original):
                pixels = as_grey(pixels)
            hiding = Hiding.checked(original, pixels, region, may_be_empty=self.may_be_empty)
        return LoadedImage(original, pixels, region.mask, region.boxes, low, hiding)
