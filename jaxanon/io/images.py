"""Image files to pixels and back. No metadata passes through."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from jaxanon.errors import ImageError, UsageError
from jaxanon.io import png
from jaxanon.io.colour import to_rgb
from jaxanon.io.files import write
from jaxanon.io.reading import reading_of
from jaxanon.runtime.arrays import as_image

log = logging.getLogger(__name__)

FORMATS = ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF"]
"""Formats that are decoded. Others are left out on purpose: some call outside programs (EPS)."""
PLUGINS = {"HEIF": "pillow_heif", "JXL": "pillow_jxl"}
"""Formats that are decoded where a package for them is installed."""
BRANDS = {b"ftypheic": "HEIF", b"ftypheix": "HEIF", b"ftypmif1": "HEIF", b"JXL \r\n\x87\n": "JXL"}
"""Bytes 4 to 12 of a file that tell its format."""
JPEG_BEGINS, JPEG_ENDS = b"\xff\xd8", b"\xff\xd9"

MIN_SIDE = 16
"""Least length of an image's short side, in pixels."""
MAX_ASPECT = 20
"""Largest ratio of an image's long side to its short side."""
MAX_PIXELS = 89_478_485
"""Most pixels of an image: Pillow's limit against decompression bombs, 256 MiB of RGB."""

FORM_OF_SUFFIX = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
"""Suffix of a file -> the format that it is written in."""
_SAVE: dict[str, dict[str, object]] = {
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


class Encoded(Protocol):
    """An encoded picture that has not been read yet.

    Attributes:
        name: what error messages call it.
    """

    @property
    def name(self) -> str: ...

    def open(self) -> BinaryIO:
        """Its bytes, as a stream that can be rewound, to be closed by the caller."""
        ...


@dataclass(frozen=True)
class _File:
    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def open(self) -> BinaryIO:
        return self.path.open("rb")


def _load_plugins() -> None:
    """Let Pillow know the formats of the packages that are installed."""
    for form, package in PLUGINS.items():
        with suppress(ImportError):
            module = import_module(package)
            getattr(module, "register_heif_opener", lambda: None)()
            FORMATS.append(form)


_load_plugins()


@contextmanager
def named(name: str) -> Iterator[None]:
    """Turn what Pillow and the system raise into an error that names the file and the cause."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name}: not an image in a known format ({', '.join(FORMATS)})"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name}: more than {MAX_PIXELS:,} pixels, the limit") from error
    except OSError as error:
        raise ImageError(f"{name}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise ImageError(f"{name}: out of memory") from error
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        raise ImageError(f"{name}: corrupt or unsupported: {error!r}") from error


def as_path(path: object) -> Path:
    """A path, where one is given; raises UsageError for anything else."""
    if not isinstance(path, str | Path):
        raise UsageError(f"path is a {type(path).__name__}; give the path of a file")
    if "\0" in str(path):
        raise UsageError(f"path {str(path)!r} has a null character, which no file's name has")
    return Path(path)


def read_image(path: str | Path) -> np.ndarray:
    """The upright picture in an image file: `(H, W, 3)` uint8.

    Raises:
        UsageError: when no path is given.
        ImageError: naming the file, where it cannot be read.
    """
    return decode(_File(as_path(path)))


def write_image(path: str | Path, pixels: np.ndarray, *, overwrite: bool = False) -> None:
    """Write a picture as a file without metadata, whole or not at all.

    Args:
        path: path of the file; its suffix chooses PNG, WebP (both lossless) or JPEG (quality 95).
        pixels: `(H, W, 3)` uint8.
        overwrite: whether an existing file may be replaced.

    Raises:
        UsageError: when the pixels are of another shape or type: what an alpha channel hides would
            be written with the rest.
        ImageError: naming the file, when its format is none of these or cannot hold the picture,
            when it exists, or when it cannot be written.
    """
    path = as_path(path)
    pixels = as_image(pixels, f"{path}: the picture")
    form = FORM_OF_SUFFIX.get(path.suffix.lower())
    if form is None:
        raise ImageError(f"{path}: name it {', '.join(FORM_OF_SUFFIX)}")
    with named(str(path)):
        there = path.exists()
        data = encode(pixels, form)
    if there and not overwrite:
        raise ImageError(f"{path} exists; give overwrite=True to replace it")
    write(path, data, overwrite=overwrite)


def decode(encoded: Encoded) -> np.ndarray:
    """The upright picture in an encoded image: `(H, W, 3)` uint8, in sRGB.

    EXIF orientation is applied; `to_rgb` says what becomes of colours, depths and transparency, and
    `Reading` how else a picture may be read.

    Raises:
        ImageError: naming the image, for what is empty, truncated, corrupt, animated, of a sample
            type with no fixed range, or outside the limits `MIN_SIDE`, `MAX_ASPECT`, `MAX_PIXELS`.
    """
    reading = reading_of(encoded)
    with named(encoded.name), encoded.open() as stream:
        file = stream
        start = file.read(2)
        if not start:
            raise ImageError("the file is empty")
        file.seek(0)
        if reading.truncated and start == JPEG_BEGINS:
            file = io.BytesIO(file.read() + JPEG_ENDS)
        _name_missing_plugin(file)
        with Image.open(file, formats=FORMATS) as image, _way_out(start):
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
            upright = load_upright(image, first_frame=reading.first_frame)
            return to_rgb(upright, encoded.name, convert=reading.colour == "srgb")


@contextmanager
def _way_out(start: bytes) -> Iterator[None]:
    """Name the option that helps, where a JPEG was cut off."""
    try:
        yield
    except OSError as error:
        if start == JPEG_BEGINS and "truncated" in str(error):
            raise OSError(f"{error}; --truncated reads a JPEG as far as it goes") from error
        raise


def _name_missing_plugin(file: BinaryIO) -> None:
    """Raise ImageError for a picture of a format whose package is not installed."""
    start = file.read(12)
    file.seek(0)
    form = BRANDS.get(start[4:12])
    if form and form not in FORMATS:
        extra = "pip install 'jaxanon[heif]'" if form == "HEIF" else f"pip install {PLUGINS[form]}"
        raise ImageError(f"a picture in {form}, which needs a package: {extra}")


def count_pixels(encoded: Encoded) -> int:
    """Pixels of the picture in an encoded image, by its header; 0 where that cannot be read."""
    try:
        with encoded.open() as file, Image.open(file, formats=FORMATS) as image:
            return image.size[0] * image.size[1]
    except Exception:  # whatever is wrong, `decode` says so
        return 0


def load_upright(image: Image.Image, *, first_frame: bool = False) -> Image.Image:
    """Load an opened image and turn it by its EXIF orientation, in place; returns it.

    Args:
        image: the image.
        first_frame: whether of several frames the first is taken, rather than none.

    Raises:
        ImageError: when it has too many pixels, or several frames.
    """
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width}x{height} pixels; at most {MAX_PIXELS:,} pixels are accepted")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO" and not first_frame:
        raise ImageError(
            f"{frames} frames or pages; give each as a file of its own; --first-frame reads the "
            "first of a photo"
        )
    image.load()
    # In place, so that the picture is upright even where damaged EXIF cannot be written anew.
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise  # a picture left as it lies would not fit its boxes and masks
    except Exception as error:  # damaged EXIF must not cost the picture
        log.debug("EXIF left out: %r", error)
    return image


def encode(pixels: np.ndarray, form: str, *, one_channel: bool = False) -> bytes:
    """The bytes of an image file without metadata.

    PNG (`jaxanon.io.png`) and WebP are lossless, JPEG has quality 95 and no chroma subsampling.

    Args:
        pixels: `(H, W, 3)` uint8.
        form: `"png"`, `"jpeg"` or `"webp"`.
        one_channel: whether to write a grey picture as such, by its first channel; WebP has three.

    Raises:
        ImageError: when the format cannot hold the picture, such as for its size.
    """
    buffer = io.BytesIO()
    try:
        shown = pixels[..., 0] if one_channel else pixels
        if form == "png":
            return png.encode(shown)
        Image.fromarray(shown).save(buffer, form, **_SAVE[form])
    except Exception as error:  # such as a side that the format cannot hold
        height, width = pixels.shape[:2]
        raise ImageError(f"{width}x{height} pixels cannot be written as {form}: {error}") from error
    return buffer.getvalue()
