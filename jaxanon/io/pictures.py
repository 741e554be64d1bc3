"""What tells that a name or some bytes are those of a picture, without decoding it."""

from __future__ import annotations

SUFFIXES = frozenset(
    {"png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "bmp", "dib", "gif"}
    | {"ppm", "pgm", "pbm", "pnm", "pfm", "pam", "jp2", "j2k", "j2c", "jpc", "jpf", "jpx", "jxl"}
    | {"avif", "heic", "heif", "tga", "ico", "icns", "pcx", "psd", "exr", "hdr", "dds", "sgi"}
    | {"svg", "pdf", "eps", "dng", "cr2", "cr3", "nef", "arw", "raw", "npy", "npz"}
)
"""Suffixes of pictures, and of what often holds one, lower case, without their dots."""
HEAD = 16
"""Bytes that `looks_like_picture` wants to see."""
_PICTURES = (
    *(b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"8BPS"),
    *(b"\0\0\0\x0cjP", b"\xff\x4f\xff\x51", b"\xff\x0a", b"\x76\x2f\x31\x01", b"DDS "),
)
_HOLDERS = (
    *(b"\x93NUMPY", b"%PDF", b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"),
    *(b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PAR1", b"ARROW1", b"\x89HDF"),
)
"""How arrays, documents, archives and pickled objects begin, in which a picture may be."""


def looks_like_picture(head: bytes) -> bool:
    """Whether bytes begin like a picture, or like what often holds one.

    Args:
        head: the first `HEAD` of them, or all.
    """
    return (
        head.startswith((*_PICTURES, *_HOLDERS))
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0")
        or (head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3].isspace())
        or head[4:8] in (b"ftyp", b"JXL ")
    )


def unsafe_name(name: str) -> str | None:
    """Why a name is not to be written into another file; None where it may be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "is no UTF-8"
    if name.startswith("/") or ".." in name.split("/") or "\\" in name or not name.isprintable():
        return "could lead out of a folder, or commands a terminal"
    return None
