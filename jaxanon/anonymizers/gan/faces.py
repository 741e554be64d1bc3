"""The training faces: pictures from a folder, square, at one size, some of them held out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.images import decode
from jaxanon.io.kinds.folders import Folders

LEAST = 16
"""Faces below which there is nothing to learn from."""
HELD_OUT = 8
"""One face in so many is never trained on."""


@dataclass(frozen=True)
class Faces:
    """The faces of a training, as arrays of pictures `(count, size, size, 3)` uint8.

    Attributes:
        training: faces that the networks learn from.
        held_out: faces that the networks never see: what fills are compared with.
    """

    training: np.ndarray
    held_out: np.ndarray

    @classmethod
    def from_pictures(cls, pictures: np.ndarray) -> Faces:
        """Hold out each eighth of the pictures `(count, size, size, 3)`."""
        held_out = np.arange(len(pictures)) % HELD_OUT == 0
        return cls(pictures[~held_out], pictures[held_out])

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that tell these faces from others."""
        state = hashlib.sha256(repr(self.training.shape).encode())
        for pictures in (self.training, self.held_out):
            state.update(np.ascontiguousarray(pictures).data)
        return state.hexdigest()[:16]


def square(picture: np.ndarray, size: int) -> np.ndarray:
    """The central square of a picture `(H, W, 3)` uint8, resampled to `(size, size, 3)`."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = Image.fromarray(picture[top : top + side, left : left + side])
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def load(folder: Path, size: int, on_error: Callable[[str], None]) -> Faces:
    """All faces of a folder, in the order of their paths.

    Args:
        folder: pictures of one face each, framed alike; or a single file.
        size: side to resample to, in pixels.
        on_error: called with a line for each file that cannot be read; the others go on.

    Raises:
        UsageError: when fewer than `LEAST` can be read.
    """
    pictures = []
    for image in Folders([folder]):
        try:
            pictures.append(square(decode(image), size))
        except ImageError as error:
            on_error(str(error))
    if len(pictures) < LEAST:
        raise UsageError(
            f"{folder}: {len(pictures)} readable faces; give a folder with at least {LEAST}"
        )
    return Faces.from_pictures(np.stack(pictures))
