"""Colours and depths of pictures to sRGB in eight bits."""

from __future__ import annotations

import io
import logging
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

from jaxanon.errors import ImageError

log = logging.getLogger("jaxanon")
SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
LARGEST = 281
"""TIFF's tag for the largest number that a sample may be."""
DEPTHS = (8, 10, 12, 14, 16)
"""Bits that the numbers of a picture in 16 bits may have."""
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def as_grey(pixels: np.ndarray) -> np.ndarray:
    """The luma of a picture (ITU-R 601) in all of its channels: `(H, W, 3)` uint8 to the same."""
    return np.asarray(Image.fromarray(pixels).convert("L").convert("RGB"))


def to_rgb(image: Image.Image, name: str, *, convert: bool) -> np.ndarray:
    """The pixels of a loaded image of any mode as `(H, W, 3)` uint8.

    Grey, palette and CMYK become RGB; what is transparent shows white, so that nothing hidden under
    it comes out. Sixteen bits become eight by the bits that the numbers have: those that the file
    names, else the fewest of 8, 10, 12, 14 and 16 that hold the largest number.

    Args:
        image: the image.
        name: what a message calls it.
        convert: whether to convert by the colour profile in the file.

    Raises:
        ImageError: for samples of a type with no fixed range.
    """
    if image.mode in SIXTEEN:
        return np.repeat(_eight_bits(image, name)[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ImageError(
            f"samples of type {image.mode!r} have no fixed range; convert the file to 8 or 16 bits"
        )
    profile = image.info.get("icc_profile") if convert else None
    alpha = None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    if isinstance(profile, bytes) and profile:
        image = _converted(image, profile)
    image = image.convert("RGB")
    if alpha is not None:
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image.putalpha(alpha)
        image = Image.alpha_composite(white, image).convert("RGB")
    return np.array(image)


def _eight_bits(image: Image.Image, name: str) -> np.ndarray:
    """A grey picture of 16 bits in eight."""
    numbers = np.asarray(image).astype(np.uint16)
    named = getattr(image, "tag_v2", {}).get(LARGEST)
    top = named[0] if isinstance(named, tuple) else named
    largest = int(numbers.max(initial=0))
    if not isinstance(top, int) or top < largest:
        top = largest
    bits = next(bits for bits in DEPTHS if top < 2**bits)
    if bits < 16:
        log.info("%s: read as %d bits in 16, its largest number being %d", name, bits, largest)
    return (numbers >> (bits - 8)).astype(np.uint8)


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    """An image converted to sRGB; as it is where its profile is sRGB, damaged, or another's."""
    try:
        space, is_srgb = _about(profile)
        mode = _SPACES.get(space)
        if is_srgb or mode is None or (mode == "CMYK") != (image.mode == "CMYK"):
            return image
        converted = ImageCms.applyTransform(image.convert(mode), _transform(profile, mode))
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        log.debug("colour profile left out: %r", error)
        return image
    assert converted is not None  # it is, where it is not asked for in place
    return converted


@lru_cache(maxsize=16)
def _about(profile: bytes) -> tuple[str, bool]:
    """Colour space of a profile, and whether it is sRGB itself."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return opened.profile.xcolor_space, "sRGB" in ImageCms.getProfileDescription(opened)


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
