"""What a classifier from outside is: something that decides on pictures, and may get it wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from jaxanon.classifiers.outside.remembered import Remembered

NOT_SENT = (
    "is not sent originals, which would leave this machine; add originals=send to its options, "
    "after #, if it may see them"
)
"""Why a classifier is not asked about what is to be hidden."""


@dataclass(frozen=True)
class Known:
    """What is known of a classifier from outside.

    Attributes:
        num_classes: number of classes.
        labels: names of the classes by number, where they are known.
        origin: file, function or address that answers.
        licence: always `unknown`.
        thresholds: as those of `Config`, where its scores are known to be logits.
    """

    num_classes: int
    labels: tuple[str, ...] | None
    origin: str
    licence: str = "unknown"
    thresholds: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """An image that a classifier from outside is asked about.

    Attributes:
        pixels: `(H, W, 3)` uint8.
        file: the image file with these pixels; None where there is none.
        private: whether it shows what is to be hidden, as an original does.
    """

    pixels: np.ndarray
    file: bytes | None = None
    private: bool = False


class AnswerError(ValueError):
    """An answer that cannot be used, or none: names what came, for the image's error."""


class Outside(Protocol):
    """A classifier from outside. Any thread may ask."""

    @property
    def name(self) -> str:
        """Its name in reports, as it is given on the command line."""

    @property
    def known(self) -> Known:
        """What is known of it."""

    @property
    def sees_originals(self) -> bool:
        """Whether it may be asked about pictures that are to be hidden."""

    def remember(self, answers: Remembered | None) -> None:
        """Where to keep answers that cost more than keeping them; others need not."""

    def answers(self, pictures: Sequence[Question]) -> Sequence[object]:
        """What it says of each picture, in their order.

        A class by number (int) or name (str), scores `(classes,)`, or an AnswerError in place of an
        answer that did not come. Whatever it raises counts for all pictures.
        """
