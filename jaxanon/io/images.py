"""Image files to pixels and back. No metadata passes through."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jaxanon.errors import ImageError

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
"""Formats that are decoded. Others are left out on purpose: some call outside programs (EPS)."""

MIN_SIDE = 16
"""Least length of an image's short side, in pixels."""
MAX_ASPECT = 20
"""Largest ratio of an image's long side to its short side."""
MAX_PIXELS = 89_478_485
"""Most pixels of an image: Pillow's limit against decompression bombs, 256 MiB of RGB."""

_SAVE: dict[str, dict[str, object]] = {
    "png": {"compress_level": 4},
    "jpeg": {"quality": 95, "subsampling": "4:4:4", "optimize": True},
    "webp": {"lossless": True, "quality": 50, "method": 2},
}


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings about damaged EXIF and large pictures (`decode` has its limit).

    Python's warning filters are one for all threads: enter this once, around everything.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what Pillow and the system raise into an error that names the file and the cause."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{path}: not an image in a known format ({', '.join(FORMATS)})"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{path}: more than {MAX_PIXELS:,} pixels, the limit") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        raise ImageError(f"{path}: corrupt or unsupported: {error!r}") from error


def decode(path: Path) -> np.ndarray:
    """Read the picture in a file, upright: `(H, W, 3)` uint8, sRGB values as stored.

    EXIF orientation is applied; grey, palette and CMYK become RGB; 16-bit grey is scaled to 8 bits
    by its high byte; what is transparent shows white, so that nothing hidden under it comes out.

    Raises:
        ImageError: naming the file, for what is empty, truncated, corrupt, animated, of a sample
            type with no fixed range, or outside the limits `MIN_SIDE`, `MAX_ASPECT`, `MAX_PIXELS`.
    """
    with _named(path):
        if path.stat().st_size == 0:
            raise ImageError("the file is empty")
        if path.is_dir():
            next(path.iterdir(), None)  # says why the folder could not be listed
            raise ImageError("a folder, not an image")
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if min(width, height) < MIN_SIDE:
                raise ImageError(
                    f"{width}x{height} pixels; the short side must have at least {MIN_SIDE}"
                )
            if max(width, height) > MAX_ASPECT * min(width, height):
                raise ImageError(
                    f"{width}x{height} pixels; the long side may be at most {MAX_ASPECT} times "
                    "the short one"
                )
            return _upright(image)


def count_pixels(path: Path) -> int:
    """Number of pixels of the picture in a file, by its header; 0 where that cannot be read."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return image.size[0] * image.size[1]
    except Exception:  # whatever is wrong, `decode` says so
        return 0


def _upright(image: Image.Image) -> np.ndarray:
    """Load an opened image, turned by its EXIF orientation: `(H, W, 3)` uint8."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width}x{height} pixels; at most {MAX_PIXELS:,} pixels are accepted")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise ImageError(f"{frames} frames or pages; give each as a file of its own")
    image.load()
    # In place, so that the picture is upright even where damaged EXIF cannot be written anew.
    with suppress(Exception):  # damaged EXIF must not cost the picture
        ImageOps.exif_transpose(image, in_place=True)
    return _rgb(image)


def _rgb(image: Image.Image) -> np.ndarray:
    """The pixels of a loaded image of any mode as `(H, W, 3)` uint8."""
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ImageError(
            f"samples of type {image.mode!r} have no fixed range; convert the file to 8 or 16 bits"
        )
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def decode_mask(path: Path) -> np.ndarray:
    """Read a mask from a file: `(H, W)` bool, true (private) wherever the picture is not black.

    In doubt a pixel is private: grey edges, dark palette colours, the ones of a mask of 0 and 1,
    what is transparent.

    Raises:
        ImageError: naming the file, for all that `decode` refuses but the limits on the sides.
    """
    with _named(path), Image.open(path, formats=FORMATS) as image:
        mask: np.ndarray = _upright(image).max(2) > 0
        return mask


def encode(pixels: np.ndarray, form: str) -> bytes:
    """The bytes of an image file without metadata.

    PNG and WebP are lossless, JPEG has quality 95 and no chroma subsampling.

    Args:
        pixels: `(H, W, 3)` uint8.
        form: `"png"`, `"jpeg"` or `"webp"`.

    Raises:
        ImageError: when the format cannot hold the picture, such as for its size.
    """
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels).save(buffer, form, **_SAVE[form])
    except Exception as error:  # such as a side that the format cannot hold
        height, width = pixels.shape[:2]
        raise ImageError(f"{width}x{height} pixels cannot be written as {form}: {error}") from error
    return buffer.getvalue()
