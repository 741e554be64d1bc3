"""The images of a run: where each comes from, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxanon.anonymizers import anonymize
from jaxanon.io.images import decode
from jaxanon.regions.region import Box


@dataclass(frozen=True)
class Loaded:
    """An image ready to be adapted.

    Attributes:
        original: `(H, W, 3)` uint8.
        anonymized: the same size.
        mask: `(H, W)` bool, where pixels may change; None is everywhere.
        boxes: private ones in it; None where it is private as a whole, or by a mask.
        low: the low-resolution view that `anonymized` shows, if it shows one.
    """

    original: np.ndarray
    anonymized: np.ndarray
    mask: np.ndarray | None
    boxes: tuple[Box, ...] | None = None
    low: np.ndarray | None = None


def load_whole(path: Path, method: str, strength: float | None = None) -> Loaded:
    """Read a photo and anonymize all of it.

    Args:
        path: of an image file.
        method: an anonymizer's name.
        strength: of it; by default its own.

    Raises:
        ImageError: when the photo cannot be read.
    """
    original = decode(path)
    return Loaded(original, anonymize(original, method, strength=strength), None)


@dataclass(frozen=True)
class Item:
    """One image of a run.

    Attributes:
        input: path of the original.
        output: path of the file to write.
        load: reads and anonymizes; raises ImageError.
        anonymized_output: where to save the anonymized image, if wanted.
        overwrite: whether `output` may replace an existing file.
        overwrite_anonymized: the same for `anonymized_output` and `low_output`.
        low_output: where to save the low-resolution view, if wanted.
        view: which of several images made from the same input this is, from 1; None for the only
            one.
        partner: path of the anonymized file, where another tool made it.
    """

    input: Path
    output: Path
    load: Callable[[], Loaded]
    anonymized_output: Path | None = None
    overwrite: bool = False
    overwrite_anonymized: bool = False
    low_output: Path | None = None
    view: int | None = None
    partner: Path | None = None

    @property
    def key(self) -> str:
        """Names it among the images of a run."""
        return key(str(self.input), self.view)


def key(path: str, view: int | None) -> str:
    """The name of an image among those of a run: its input, and which view of it."""
    return path if view is None else f"{path}#{view}"
