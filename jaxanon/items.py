"""The images of a run: where each comes from, and where it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxanon.anonymizers import anonymize
from jaxanon.images import decode
from jaxanon.regions import Region


@dataclass(frozen=True)
class Loaded:
    """An image ready to be adapted: original, anonymized, and where pixels may change."""

    original: np.ndarray
    anonymized: np.ndarray
    mask: np.ndarray | None


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
    return Loaded(original, anonymize(original, Region(), method, strength), None)


@dataclass(frozen=True)
class Item:
    """One image of a run.

    Attributes:
        input: path of the original.
        output: path of the file to write.
        load: reads and anonymizes; raises ImageError.
        anonymized_output: where to save the anonymized image, if wanted.
        overwrite: whether `output` may replace an existing file.
        overwrite_anonymized: the same for `anonymized_output`.
    """

    input: Path
    output: Path
    load: Callable[[], Loaded]
    anonymized_output: Path | None = None
    overwrite: bool = False
    overwrite_anonymized: bool = False
