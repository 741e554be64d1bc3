"""The inside of an outline, also of one that crosses itself or goes round twice."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage


def filled(outline: np.ndarray, height: int, width: int) -> np.ndarray:
    """The pixels that an outline touches or encloses, `(height, width)` bool.

    Pillow's filling alone leaves open what is enclosed an even number of times; private is that,
    too.

    Args:
        outline: corners in order, `(corners, 2)`, column and row in pixels.
        height: height of the image, in pixels.
        width: width of the image, in pixels.
    """
    canvas = Image.new("1", (width, height))
    ImageDraw.Draw(canvas).polygon([(x, y) for x, y in outline], fill=1, outline=1)
    area: np.ndarray = np.array(canvas) | _winding(outline, height, width)
    rows, columns = np.flatnonzero(area.any(1)), np.flatnonzero(area.any(0))
    if rows.size:
        window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        area[window] = ndimage.binary_fill_holes(area[window])
    return area


def _winding(outline: np.ndarray, height: int, width: int) -> np.ndarray:
    """The pixels around whose middle an outline winds, in either direction: `(H, W)` bool."""
    turns = np.zeros((height, width + 1), np.int64)
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, 0), strict=True):
        low, high = sorted((y0, y1))
        first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in (low, high))
        if first == last:
            continue
        rows = np.arange(first, last)
        crossing = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
        columns = np.clip(np.ceil(crossing - 0.5), 0, width).astype(int)
        np.add.at(turns, (rows, columns), 1 if y1 > y0 else -1)
    return np.asarray(np.cumsum(turns, 1)[:, :width] != 0)
