"""The joint loop's judge: how well a published image still leads to its original.

The adaptation itself sees no original. Between two verifications of its steps the run, which has
seen it, compares the saved file with it, and stops an image whose score goes beyond the cap. When
that happened is one more thing that the image tells; `adaptation.guarantee` counts it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxanon.errors import UsageError, unknown
from jaxanon.metrics import directions
from jaxanon.regions.region import Box, centre_in

VERIFY_EVERY = 10
"""Steps between two looks of the judge, unless told otherwise."""
JUDGES = ("targets", "faces")


@dataclass(frozen=True)
class Reference:
    """What the judge keeps of an original.

    Attributes:
        faces: the faces of the original, each with its place and its embedding.
        logits: each target's logits on the original, `(classes,)`.
    """

    faces: tuple[tuple[Any, np.ndarray], ...] = ()
    logits: tuple[np.ndarray, ...] = ()


class Cap:
    """The highest score that an image may have, and who gives it.

    The judge `targets` gives the correlation of a target's logits on both images, the highest of
    all targets. The judge `faces` compares face embeddings: one minus their distance, the highest
    of all faces; dlib takes two faces for one person from 0.4 on.

    Args:
        limit: -1 to 1.
        judge: `targets` or `faces`.
        num_sources: number of classifiers that are adapted to; the targets come after them.
        num_targets: number of targets; others may come after them, which do not judge.

    Raises:
        UsageError: for a limit out of range, an unknown judge, or one that cannot judge.
    """

    def __init__(self, limit: float, judge: str, num_sources: int, num_targets: int) -> None:
        if not -1 <= limit <= 1:
            raise UsageError(f"--cap is {limit}; it must be -1 to 1")
        if judge not in JUDGES:
            raise UsageError(unknown("judge", judge, JUDGES))
        if judge == "targets" and not num_targets:
            raise UsageError("--judge targets needs --targets, classifiers that nobody adapts to")
        self.limit, self.judge = limit, judge
        self._targets = slice(num_sources, num_sources + num_targets)
        if judge == "faces":
            from jaxanon.privacy.face_embeddings import Embedder
            from jaxanon.regions.faces import Detector

            self._detector, self._embedder = Detector(), Embedder()

    def reference(self, original: np.ndarray, boxes: Sequence[Box] | None) -> Reference:
        """What to keep of an original's pixels; for its logits see `with_logits`.

        Args:
            original: `(H, W, 3)` uint8.
            boxes: those that were hidden; None where all of the picture was. Faces outside them
                are not judged, nor what is none: to dlib, patches of anything look alike.
        """
        if self.judge != "faces":
            return Reference()
        places = [
            face
            for face in self._detector.sure(original)
            if boxes is None or any(centre_in(face, box) for box in boxes)
        ]
        windows = [self._embedder.window(original, box) for box in places]
        return Reference(
            tuple(
                (window, self._embedder.embed(window, window.cut(original))) for window in windows
            )
        )

    def with_logits(self, reference: Reference, logits: Sequence[np.ndarray]) -> Reference:
        """A reference with the targets' logits on the original added to it.

        Args:
            reference: what was kept of the original's pixels.
            logits: every classifier's logits on the original, `(classes,)` each.
        """
        if self.judge != "targets":
            return reference
        return Reference(reference.faces, tuple(logits[self._targets]))

    def score(
        self, reference: Reference, picture: np.ndarray, logits: Sequence[np.ndarray]
    ) -> float | None:
        """How well a picture leads to the original; None where there is no face to know again.

        Args:
            reference: what was kept of the original.
            picture: `(H, W, 3)` uint8, of the original's size.
            logits: every classifier's logits on the picture, `(classes,)` each.
        """
        if self.judge == "faces":
            gaps = [
                np.linalg.norm(embedding - self._embedder.embed(window, window.cut(picture)))
                for window, embedding in reference.faces
            ]
            return float(1 - min(gaps)) if gaps else None
        pairs = zip(reference.logits, logits[self._targets], strict=True)
        return max(float((directions(a[None]) * directions(b[None])).sum()) for a, b in pairs)
