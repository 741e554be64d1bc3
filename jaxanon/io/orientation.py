"""Whether a photo is stored turned."""

from __future__ import annotations

from contextlib import suppress

from PIL import Image

from jaxanon.io.images import Encoded

TAG = 0x0112
"""EXIF's tag for the orientation; 1 is upright."""


def turned_by_exif(encoded: Encoded) -> bool:
    """Whether an encoded picture is stored turned or mirrored, and read upright by its EXIF."""
    with suppress(Exception), encoded.open() as file, Image.open(file) as image:
        return image.getexif().get(TAG, 1) in range(2, 9)
    return False  # whatever is wrong with it is said where it is read
