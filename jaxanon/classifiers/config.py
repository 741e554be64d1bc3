"""Configuration of a classifier: its preprocessing, and where its weights come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

Triple = tuple[float, float, float]


class Classes(Protocol):
    """What is known of the classes that a classifier tells apart, and of where it comes from.

    Attributes as of `Config`.
    """

    @property
    def num_classes(self) -> int: ...

    @property
    def labels(self) -> tuple[str, ...] | None: ...

    @property
    def origin(self) -> str: ...

    @property
    def thresholds(self) -> tuple[float, ...] | None: ...


@dataclass(frozen=True)
class Config:
    """Preprocessing configuration and provenance of a set of weights.

    Attributes:
        input_size: side of the square view, in pixels.
        crop_pct: share of the resized image's short side that the centre crop keeps.
        interpolation: Pillow's filter for the resize, by name.
        mean: mean per channel, subtracted from pixels in [0, 1].
        std: standard deviation per channel, by which they are divided afterwards.
        num_classes: number of classes; two where the head has one output, whose sign decides.
        licence: SPDX identifier of the weights' licence, lower case.
        origin: address or path that the weights are from.
        labels: names of the classes by number, where the weights bring their own.
        thresholds: probabilities, between 0 and 1, from which on a label is present where classes
            do not exclude each other: one for all classes, or one for each; None where the scores
            are not known to be logits.
    """

    input_size: int
    crop_pct: float
    interpolation: str
    mean: Triple
    std: Triple
    num_classes: int
    licence: str
    origin: str
    labels: tuple[str, ...] | None = None
    thresholds: tuple[float, ...] | None = (0.5,)

    @property
    def resize(self) -> int:
        """Short side of the image after the resize and before the crop, in pixels, rounded down."""
        return int(self.input_size / self.crop_pct)

    @property
    def crop(self) -> float:
        """`crop_pct` by its shorter name."""
        return self.crop_pct

    @property
    def classes(self) -> int:
        """`num_classes` by its shorter name."""
        return self.num_classes
