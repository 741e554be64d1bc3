"""What tells that a name or some bytes are those of a picture, without decoding it."""

from __future__ import annotations

SUFFIXES = frozenset(
    {"png", "jpg", "jpeg", "jpe", "jfif", "webp", "tif", "tiff", "bmp", "gif", "ppm", "pgm", "pbm"}
    | {"jp2", "j2k", "avif", "heic", "heif", "jxl"}
)
"""Suffixes of pictures, lower case, without their dots."""
HEAD = 16
"""Bytes that `looks_like_picture` wants to see."""
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP", b"\xff\x0a")


def looks_like_picture(head: bytes, size: int) -> bool:
    """Whether bytes begin like a picture.

    Args:
        head: the first `HEAD` of them, or all.
        size: how many there are in all.
    """
    return (
        head.startswith(_MAGIC)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == size)
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
