"""Masks of every type that people store: the right pixels are private, or the file is refused."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxanon.errors import ImageError
from jaxanon.io.masks import decode_mask

MASK = np.zeros((40, 50), np.uint8)
MASK[10:20, 5:30] = 1


def rgba(colour, alpha):
    return Image.fromarray(np.stack([colour, colour, colour, alpha], 2).astype(np.uint8), "RGBA")


def palette(*colours):
    image = Image.fromarray(MASK).convert("P")
    image.putpalette(sum(colours, ()))
    return image


FULL = np.full_like(MASK, 255)
READ = {
    "bits.png": Image.fromarray(MASK > 0),
    "bits.tif": Image.fromarray(MASK > 0),
    "ones.png": Image.fromarray(MASK),
    "sixteen.png": Image.fromarray(MASK.astype(np.uint16)),
    "sixteen.pgm": Image.fromarray(MASK.astype(np.uint16)),
    "thirtytwo.tif": Image.fromarray(MASK.astype(np.int32)),
    "negative.tif": Image.fromarray(-MASK.astype(np.int32)),
    "fractions.tif": Image.fromarray(MASK * np.float32(1e-3)),
    "nothing-known.tif": Image.fromarray(np.where(MASK, np.float32("nan"), 0)),
    "ids.png": Image.fromarray(np.stack([0 * MASK, MASK, 0 * MASK], 2)),
    "grey.gif": Image.fromarray(MASK * 255),
    "classes.png": palette((0, 0, 0), (128, 0, 0)),
    "opaque.png": rgba(MASK, FULL),
    "grey-opaque.png": Image.fromarray(np.stack([MASK, FULL], 2), "LA"),
    "cut-out.png": rgba(MASK * 255, MASK * 255),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_not_zero_in_the_file_is_private(tmp_path, name):
    READ[name].save(tmp_path / name)
    np.testing.assert_array_equal(decode_mask(tmp_path / name), MASK > 0)


def sixteen_bit_colours() -> bytes:
    """A PNG of which Pillow keeps the high bytes, which are all zero."""
    rows = np.repeat(MASK[..., None], 3, 2).astype(">u2")
    data = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    header = struct.pack(">IIBBBBB", 50, 40, 16, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


REFUSED = {
    "white-on-transparent.png": (rgba(FULL, MASK * 255), "transparency and its colours differ"),
    "black-on-transparent.png": (rgba(0 * MASK, MASK * 255), "transparency and its colours"),
    "all-transparent.png": (rgba(MASK * 255, 0 * MASK), "transparency and its colours differ"),
    "all-black.png": (palette((0, 0, 0), (0, 0, 0)), "palette or transparency .* differ"),
    "inverted.png": (palette((255, 255, 255), (0, 0, 0)), "palette or transparency .* differ"),
    "dark.jpg": (Image.fromarray(MASK * 3), "a dark mask"),
    "dark.webp": (Image.fromarray(MASK), "a dark mask"),
    "print.tif": (rgba(MASK, MASK).convert("CMYK"), "colour space CMYK"),
    "deep.jp2": (Image.fromarray(MASK * 255), "lose bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_where_it_is_unclear_what_is_private_the_way_out_is_named(tmp_path, name):
    image, text = REFUSED[name]
    image.save(tmp_path / name)
    with pytest.raises(ImageError, match=rf"{name}: .*{text}.*; save the mask as PNG in shades"):
        decode_mask(tmp_path / name)


def test_colours_of_sixteen_bits_would_lose_their_ones(tmp_path):
    (tmp_path / "deep.png").write_bytes(sixteen_bit_colours())
    colours = np.repeat(MASK[..., None], 3, 2).astype(">u2").tobytes()
    (tmp_path / "deep.ppm").write_bytes(b"P6\n50 40\n65535\n" + colours)
    for name in ("deep.png", "deep.ppm"):
        with pytest.raises(ImageError, match=f"{name}: .*lose bits"):
            decode_mask(tmp_path / name)
