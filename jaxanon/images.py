"""Image files: find, decode, encode, write whole or not at all. No metadata passes through."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from jaxanon.errors import ImageError, UsageError, unknown

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
"""What is decoded. Others are left out on purpose: some call outside programs (EPS)."""

MIN_SIDE = 16
MAX_ASPECT = 20
MAX_PIXELS = 89_478_485
"""Pillow's own limit against decompression bombs: 256 MiB of three-byte pixels."""

SUFFIX = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SAVE: dict[str, dict[str, object]] = {
    "png": {"compress_level": 4},
    "jpeg": {"quality": 95, "subsampling": "4:4:4", "optimize": True},
    "webp": {"lossless": True, "quality": 50, "method": 2},
}


@dataclass(frozen=True)
class Source:
    """An input file, and its place below the folder it was found in (or its bare name)."""

    path: Path
    relative: Path


def find(sources: Sequence[Path]) -> list[Source]:
    """All files given or below the folders given, sorted; hidden ones are left out.

    Links are followed.

    A folder that cannot be listed stands in the list itself: decoding it tells why.

    Raises:
        UsageError: when a source does not exist, or nothing is there.
    """
    found: dict[Path, Source] = {}

    for source in sources:
        if _kind(source) == "folder":
            for path in _below(source, set()):
                relative = Path(source.name) if path == source else path.relative_to(source)
                found.setdefault(path.resolve(), Source(path, relative))
        elif _kind(source) == "file":
            found.setdefault(source.resolve(), Source(source, Path(source.name)))
        else:
            raise UsageError(f"{source}: no such file or folder")
    if not found:
        raise UsageError(f"no files in {', '.join(map(str, sources))}")
    return sorted(found.values(), key=lambda item: (item.relative.as_posix(), str(item.path)))


def _kind(path: Path) -> str | None:
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _below(folder: Path, seen: set[Path]) -> Iterator[Path]:
    if folder.resolve() in seen:
        return  # a link that leads back
    seen.add(folder.resolve())
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        kinds = [
            (entry, entry.is_dir(), entry.is_file() or entry.is_symlink()) for entry in entries
        ]
    except OSError:
        yield folder
        return
    for entry, is_folder, is_file in kinds:
        if is_folder:
            yield from _below(entry, seen)
        elif is_file:
            yield entry


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what Pillow and the system raise into an error that names the file and the cause."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what damaged EXIF makes Pillow say
            warnings.simplefilter("error", Image.DecompressionBombWarning)
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
    """The upright picture in a file: `(H, W, 3)` uint8, sRGB numbers as stored.

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


def _upright(image: Image.Image) -> np.ndarray:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width}x{height} pixels; at most {MAX_PIXELS:,} pixels are accepted")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise ImageError(f"{frames} frames or pages; give each as a file of its own")
    image.load()
    turn = _TURN.get(_orientation(image))
    return _rgb(image if turn is None else image.transpose(turn))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 where there is none or it cannot be read."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF must not cost the picture
        return 1


def _rgb(image: Image.Image) -> np.ndarray:
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
    """A mask file: `(H, W)` bool, true (private) wherever the picture is not black.

    In doubt a pixel is private: grey edges, dark palette colours, the ones of a mask of 0 and 1,
    what is transparent.

    Raises:
        ImageError: as `decode`, but for the limits on the sides.
    """
    with _named(path), Image.open(path, formats=FORMATS) as image:
        mask: np.ndarray = _upright(image).max(2) > 0
        return mask


def encode(pixels: np.ndarray, form: str) -> bytes:
    """A picture without metadata: PNG and WebP lossless, JPEG at quality 95 without subsampling.

    Raises:
        ImageError: when the format cannot hold it.
    """
    buffer = io.BytesIO()
    try:
        Image.fromarray(pixels).save(buffer, form, **_SAVE[form])
    except Exception as error:  # such as a side that the format cannot hold
        height, width = pixels.shape[:2]
        raise ImageError(f"{width}x{height} pixels cannot be written as {form}: {error}") from error
    return buffer.getvalue()


def part_of(path: Path) -> Path:
    """Where a file lies while it is being written and verified: hidden, beside its final place."""
    short = hashlib.sha256(path.name.encode(errors="surrogateescape")).hexdigest()[:16]
    return path.with_name(f".{short}.part")


def write_part(path: Path, data: bytes) -> Path:
    """Write `data` beside `path`, not yet under its name; returns the place.

    Raises:
        ImageError: when the folder or file cannot be written.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
    except OSError as error:
        discard_part(path)
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
    return part


def commit(path: Path, *, overwrite: bool) -> None:
    """Give a written part its name, at once and whole.

    Raises:
        ImageError: when something else has taken the name meanwhile, or the system refuses.
    """
    part = part_of(path)
    try:
        if path.exists() and not overwrite:
            raise ImageError(f"{path}: exists; not overwritten (give --overwrite)")
        part.replace(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        discard_part(path)


def discard_part(path: Path) -> None:
    """Remove what was written beside `path`, if anything."""
    with suppress(OSError):
        part_of(path).unlink(missing_ok=True)


def write(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write a file whole or not at all."""
    write_part(path, data)
    commit(path, overwrite=overwrite)


def output_names(sources: Sequence[Source], form: str) -> list[Path]:
    """For each source its output's relative path, all distinct, also where case is ignored.

    The suffix becomes the format's. Where two sources would meet (`a.png`, `a.jpg`), each keeps
    its old suffix before the new one (`a.png.png`, `a.jpg.png`); where that does not help either,
    the later ones are numbered.

    Raises:
        UsageError: for an unknown format.
    """
    if form not in SUFFIX:
        raise UsageError(unknown("format", form, SUFFIX))
    suffix = SUFFIX[form]
    plain = [source.relative.with_suffix(suffix) for source in sources]
    count = Counter(map(_fold, plain))
    taken = {name for name, times in count.items() if times == 1}
    names: list[Path] = []
    for source, path in zip(sources, plain, strict=True):
        if count[_fold(path)] > 1:
            name, number = source.relative.name, 1
            path = source.relative.with_name(name + suffix)
            while _fold(path) in taken:
                number += 1
                path = source.relative.with_name(f"{name}-{number}{suffix}")
            taken.add(_fold(path))
        names.append(path)
    return names


def _fold(path: Path) -> str:
    return path.as_posix().casefold()
