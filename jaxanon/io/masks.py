"""Mask files to booleans: whatever is not zero in the file is private.

The numbers of the file count, before they are converted to eight bits, which would make nothing of
a one in sixteen. What can be read in two ways is read only where both agree.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from jaxanon.errors import ImageError
from jaxanon.io.images import FORMATS, load_upright, named

LOSSY = ("JPEG", "MPO", "WEBP")
"""Formats that may have changed small numbers."""
LEAST_LOSSY = 64
"""The largest number of a mask in such a format is at least this, or its zeros are in doubt."""
DEPTH_UNKNOWN = ("JPEG2000", "AVIF", "HEIF", "JXL")
"""Formats that are decoded to eight bits, whatever they hold."""
NUMBERS = ("1", "L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
"""Modes whose pixels are one number each, as it stands in the file."""
COLOURS = ("P", "RGB", "LA", "PA", "RGBA", "La", "RGBa")
WAY_OUT = "save the mask as PNG in shades of grey, 0 where nothing is private"


def decode_mask(path: Path) -> np.ndarray:
    """Read a mask from a file: `(H, W)` bool, true (private) where it is not zero.

    Numbers may have 1 to 32 bits or be fractions; of colours, black is zero. Where a palette has
    another colour than black at 0, or black elsewhere, and where transparency disagrees with the
    colours, it is unclear what is private.

    Raises:
        ImageError: naming the file and the way out, where it is unclear what is private; and for
            all that `decode` refuses but the limits on the sides.
    """
    # A stream, as for photos: given a path, Pillow turns some uncompressed TIFF files wrongly.
    with (
        named(str(path)),
        path.open("rb") as file,
        Image.open(file, formats=FORMATS) as image,
    ):
        form = image.format
        if form in DEPTH_UNKNOWN or _loses_depth(image):
            raise ImageError(f"a mask whose numbers lose bits when it is decoded; {WAY_OUT}")
        return _private(load_upright(image), form in LOSSY)


def _loses_depth(image: Image.Image) -> bool:
    """Whether an image that was opened, not loaded, has more bits than Pillow keeps."""
    if image.mode in NUMBERS:
        return False
    for tile in getattr(image, "tile", ()):
        args = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if any(isinstance(arg, str) and ";16" in arg for arg in args):
            return True
        if tile.codec_name.startswith("ppm") and any(
            isinstance(arg, int) and arg > 255 for arg in args
        ):
            return True
    return False


def _private(image: Image.Image, lossy: bool) -> np.ndarray:
    """Where a loaded mask is not zero: `(H, W)` bool."""
    if image.mode in NUMBERS:
        numbers = np.asarray(image)
        readings = [numbers != 0, *_opaque(image)]
        top = float(numbers.max(initial=0))
    elif image.mode in COLOURS:
        colours = np.asarray(image.convert("RGBA"))[..., :3]
        readings = [colours.any(2), *_opaque(image)]
        top = float(colours.max(initial=0))
        if image.mode == "P":
            readings.append(np.asarray(image) != 0)
    else:
        raise ImageError(f"a mask in the colour space {image.mode}; {WAY_OUT}")
    if lossy and 0 < top < LEAST_LOSSY:
        raise ImageError(f"a dark mask, in a format that changes small numbers; {WAY_OUT}")
    if any((reading != readings[0]).any() for reading in readings[1:]):
        what = "its palette or transparency" if image.mode in ("P", "PA") else "its transparency"
        raise ImageError(f"{what} and its colours differ in what is private; {WAY_OUT}")
    first: np.ndarray = readings[0]
    return first


def _opaque(image: Image.Image) -> list[np.ndarray]:
    """Where a mask is not wholly transparent, if it is transparent anywhere: one array or none."""
    if image.mode in ("I", "F", "I;16", "I;16L", "I;16B", "I;16N"):
        key = image.info.get("transparency")
        return [] if key is None else [np.asarray(image) != key]
    if not image.has_transparency_data:
        return []
    opaque = np.asarray(image.convert("RGBA").getchannel("A")) > 0
    return [] if opaque.all() else [opaque]
