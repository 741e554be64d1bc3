"""What tells that a name or some bytes are those of a picture, without decoding it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from jaxanon.errors import ImageError, printable

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
SHORT = 256
"""Bytes, or characters of a code, too few for a picture that shows something."""
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_CODE = re.compile(  # each run is looked at once, so that no text takes long
    rb"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{256,}+"
    rb"|(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{60,255}+[\s\"',\\\[\]]{1,8}+){4,}+"
)
"""Base64 or hexadecimal code, if letters and digits are in it; in one, or in lines."""
_NUMBER = rb"[+-]?+(?>25[0-5]|2[0-4]\d|1\d\d|\d?\d)?+(?:\.\d*+)?+(?:e[+-]?\d++)?+"
_BETWEEN = rb"[\s,;|()\[\]{}'\"\\]++(?:[a-z]\w{0,7}+[\\'\"]*+\s*+[:=]\s*+[\\'\"]*+)?+"
_NUMBERS = re.compile(rb"(?<![\w.+-])(?:(?=[+-]?\.?\d)%s%s)++" % (_NUMBER, _BETWEEN), re.IGNORECASE)
"""Numbers in a row whose absolute value is below 256, as texts or under short names too."""
_PERCENT = re.compile(rb"(?:%[0-9a-f]{2}){128,}+", re.IGNORECASE)
"""Bytes as URLs have them: more than a title in another alphabet needs."""
PIXELS = 768
"""As many numbers as 16 by 16 pixels have."""


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


def refuse_hidden_pictures(carried: Mapping[str, Any]) -> None:
    """Raise ImageError where what stands beside a picture may be one as well.

    It would be passed on as it is, and may show what is private: bytes that are no text, and texts
    with a long code or with pixels in them.

    Args:
        carried: what it is called -> bytes, or plain values.
    """
    for name, value in carried.items():
        data = value
        if not isinstance(data, bytes):
            data = json.dumps(value, default=str, ensure_ascii=False).encode(errors="replace")
        if why := _may_hold_picture(data):
            raise ImageError(f"{printable(name)} {why}, which may be a picture: --drop it")


def _may_hold_picture(data: bytes) -> str | None:
    """Why bytes may hold a picture; None where they hardly do."""
    if len(data) < SHORT:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return "is no text"
    if _CONTROL.search(data):
        return "is no text"
    if b"data:image" in data:
        return "has a data URL in it"
    for code in _CODE.findall(data.replace(b"\\/", b"/").replace(b"\\n", b"\n")):  # as JSON may be
        if re.search(rb"\d", code) and re.search(rb"[A-Za-z]", code):
            return "has a long code in it"
    if _PERCENT.search(data):
        return "has a long code in it"
    if any(len(re.findall(_BETWEEN, row)) >= PIXELS for row in _NUMBERS.findall(data)):
        return "has a long row of numbers below 256 in it"
    return None


def unsafe_name(name: str) -> str | None:
    """Why a name is not to be written into another file; None where it may be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "is no UTF-8"
    if name.startswith("/") or ".." in name.split("/") or "\\" in name or not name.isprintable():
        return "could lead out of a folder, or commands a terminal"
    return None
