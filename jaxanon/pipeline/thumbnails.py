"""Small pictures of a run's images, kept beside its records for the pages that show them.

They show what the run publishes, the anonymized and the adapted image; never an original.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from jaxanon.classifiers.config import Classes
from jaxanon.classifiers.decided import STAGES, compared
from jaxanon.classifiers.labels import names_of
from jaxanon.io.small_jpeg import small_jpeg
from jaxanon.pipeline.record import Record

AMPLIFY = 8
KEPT = 100
"""Images of a run that get thumbnails, at most."""
ORIGINAL = "original"
"""Title of what is shown only where that was asked for."""
DIFFERENCE = f"difference x{AMPLIFY}"


@dataclass(frozen=True)
class Thumbnails:
    """What an image looks like, and what each classifier calls it.

    Attributes:
        key: names the image in its run.
        pictures: title -> JPEG in base64.
        words: classifier -> {"reference": name of the class, "anonymized": ..., "adapted": ...}, or
            names of the classes, where several are compared.
    """

    key: str
    pictures: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(
        cls,
        record: Record,
        anonymized: np.ndarray,
        adapted: np.ndarray,
        classes: Mapping[str, Classes],
    ) -> Thumbnails:
        """The thumbnails of a saved image.

        Args:
            record: what is known of it.
            anonymized: `(H, W, 3)` uint8.
            adapted: `(H, W, 3)` uint8, decoded from the saved file.
            classes: what is known of the classifiers, by name.
        """
        gap = (adapted.astype(np.int16) - anonymized) * AMPLIFY + 128
        shown = {
            "anonymized": anonymized,
            "adapted": adapted,
            DIFFERENCE: np.clip(gap, 0, 255).astype(np.uint8),
        }
        return cls(
            record.key,
            {title: small_jpeg(pixels) for title, pixels in shown.items()},
            {
                name: {stage: names_of(classes[name], compared(row, stage)) for stage in STAGES}
                for name, row in record.decisions.items()
            },
        )

    @classmethod
    def from_line(cls, line: str | bytes) -> Thumbnails:
        """Read a line; raises ValueError or TypeError where it is damaged."""
        return cls(**json.loads(line))

    def to_line(self) -> str:
        """A line of JSON, for `from_line`."""
        return json.dumps(asdict(self))


def has_thumbnails(number: int, images: int) -> bool:
    """Whether an image of a run gets thumbnails: `KEPT` of them, spread evenly.

    Args:
        number: of the image, from 0.
        images: of the run.
    """
    return number * KEPT // images != (number - 1) * KEPT // images if images > KEPT else True
