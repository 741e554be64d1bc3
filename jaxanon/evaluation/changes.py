"""What happens to a published image: compressed again, resized, mirrored, cropped, turned."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image

from jaxanon.errors import ImageError, UsageError, unknown

Change = Callable[[np.ndarray], np.ndarray]


class Kind(NamedTuple):
    """A kind of change that an image may undergo.

    Attributes:
        change: changes pixels `(H, W, 3)` uint8 by an amount.
        amount: amount where none is named.
        least: least amount.
        most: greatest amount.
    """

    change: Callable[[np.ndarray, int], np.ndarray]
    amount: int
    least: int
    most: int


def _recompressed(image: np.ndarray, quality: int, form: str) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(image).save(file, form, quality=quality)
    with Image.open(file, formats=[form]) as read:
        return np.asarray(read.convert("RGB"))


def _resized(image: np.ndarray, percent: int) -> np.ndarray:
    height, width = (max(1, round(side * percent / 100)) for side in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def _flipped(image: np.ndarray, _: int) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def _cropped(image: np.ndarray, percent: int) -> np.ndarray:
    top, left = (side * percent // 100 for side in image.shape[:2])
    return np.ascontiguousarray(image[top:, left:])


def _rotated(image: np.ndarray, degrees: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).rotate(degrees, Image.Resampling.BICUBIC))


KINDS = {
    "jpeg": Kind(partial(_recompressed, form="JPEG"), 75, 1, 100),
    "webp": Kind(partial(_recompressed, form="WEBP"), 75, 1, 100),
    "resize": Kind(_resized, 50, 1, 200),
    "flip": Kind(_flipped, 1, 1, 1),
    "crop": Kind(_cropped, 5, 0, 90),
    "rotate": Kind(_rotated, 5, -180, 180),
}
"""jpeg and webp: saved once more at this quality. resize: to so many percent. flip: left to right.
crop: so many percent cut off at the top and the left, which moves what is seen. rotate: by so many
degrees about the centre, the corners black."""


def changes(text: str) -> dict[str, Change]:
    """Name -> change, of a text that lists changes such as `jpeg75,jpeg90,flip`.

    Raises:
        UsageError: for an unknown name, an amount out of range, or a change named twice.
    """
    found: dict[str, Change] = {}
    for name in (part.strip() for part in text.split(",")):
        match = re.fullmatch(r"([a-z]*)(-?\d*)", name)
        kind = KINDS.get(match[1]) if match else None
        if match is None or kind is None:
            raise UsageError(unknown("change", name, KINDS))
        amount = int(match[2]) if match[2] not in ("", "-") else kind.amount
        if not kind.least <= amount <= kind.most or match[2] == "-":
            if kind.least == kind.most:
                raise UsageError(f"{name!r}: {match[1]} takes no number")
            raise UsageError(f"the number in {name!r} must be {kind.least} to {kind.most}")
        if name in found:
            raise UsageError(f"the change {name} stands twice")
        found[name] = partial(_apply, name, kind.change, amount)
    return found


def _apply(
    name: str, change: Callable[[np.ndarray, int], np.ndarray], amount: int, image: np.ndarray
) -> np.ndarray:
    try:
        return change(image, amount)
    except (ValueError, OSError, MemoryError) as error:  # a side above 16383 pixels, for WebP
        raise ImageError(f"{name} is impossible: {error}") from error
