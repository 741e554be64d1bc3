"""Preprocessing: from an image to a classifier's view of it, by Pillow and as matrices.

`look` resizes the short side and takes the centre crop, by Pillow on the full-resolution pixels
exactly as timm's evaluation transform does it. `resampling_taps` says which pixels make a pixel of
the result, by Pillow's filter definitions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from jaxanon.classifiers.config import Config

FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Name of a filter -> Pillow's."""


def resized(height: int, width: int, short: int) -> tuple[int, int]:
    """Height and width after scaling the short side to `short` (torchvision's rounding: down)."""
    if height <= width:
        return short, int(short * width / height)
    return int(short * height / width), short


def crop_start(side: int, size: int) -> int:
    """First row or column of a centre crop (torchvision's rounding: to even)."""
    return round((side - size) / 2)


def look(image: np.ndarray, config: Config) -> np.ndarray:
    """The classifier's view of an image: `(H, W, 3)` uint8 -> `(size, size, 3)` uint8."""
    height, width = resized(image.shape[0], image.shape[1], config.resize)
    small = Image.fromarray(image).resize((width, height), FILTERS[config.interpolation])
    size = config.input_size
    top, left = crop_start(height, size), crop_start(width, size)
    return np.asarray(small)[top : top + size, left : left + size]


def distinct_views(configs: Sequence[Config]) -> tuple[list[int], list[int]]:
    """Which classifiers see the same of every image, since they resize and crop alike.

    Returns:
        For each distinct view the first classifier that has it, and for each classifier the number
        of its view.
    """
    alike = [(config.input_size, config.resize, config.interpolation) for config in configs]
    first = [i for i, one in enumerate(alike) if one not in alike[:i]]
    return first, [first.index(alike.index(one)) for one in alike]


def _weight(name: str, x: np.ndarray) -> tuple[np.ndarray, float]:
    """The values of a resampling filter at `x`, and its support, by Pillow's definitions."""
    x = np.abs(x)
    if name == "bilinear":
        return np.clip(1 - x, 0, None), 1.0
    if name == "bicubic":  # Keys, a = -0.5
        near = (1.5 * x - 2.5) * x * x + 1
        far = ((-0.5 * x + 2.5) * x - 4) * x + 2
        return np.where(x < 1, near, np.where(x < 2, far, 0)), 2.0
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0), 3.0


def count_taps(in_length: int, out_length: int, interpolation: str) -> int:
    """Most input pixels that make an output pixel in Pillow's resize along one axis."""
    _, support = _weight(interpolation, np.zeros(1))
    return int(2 * support * max(in_length / out_length, 1.0)) + 2


def resampling_taps(
    in_length: int, out_length: int, interpolation: str, rows: slice = slice(None)
) -> tuple[np.ndarray, np.ndarray]:
    """Pillow's resize along one axis: which input pixels make an output pixel, with which weight.

    Where the image shrinks the filter is stretched by the reduction.

    Args:
        in_length: length before the resize, in pixels.
        out_length: length after the resize, in pixels.
        interpolation: name of the filter, a key of `FILTERS`.
        rows: the output pixels to compute; all by default.

    Returns:
        `(pixels, weights)`, each `(rows, taps)`; weights sum to one along a row and are zero for
        pixels beyond the edge, whose index is clipped.
    """
    scale = in_length / out_length
    stretch = max(scale, 1.0)
    centre = (np.arange(out_length)[rows][:, None] + 0.5) * scale
    _, support = _weight(interpolation, np.zeros(1))
    reach = support * stretch
    first = (centre - reach + 0.5).astype(int).clip(0)
    last = (centre + reach + 0.5).astype(int).clip(None, in_length)
    pixel = first + np.arange(count_taps(in_length, out_length, interpolation))[None]
    weight, _ = _weight(interpolation, (pixel + 0.5 - centre) / stretch)
    weight = np.where(pixel < last, weight, 0)
    return pixel.clip(None, in_length - 1), weight / weight.sum(1, keepdims=True)


def resampling_matrix(in_length: int, out_length: int, interpolation: str) -> np.ndarray:
    """Pillow's resize along one axis as a dense matrix, `(out_length, in_length)` float64."""
    pixel, weight = resampling_taps(in_length, out_length, interpolation)
    matrix = np.zeros((out_length, in_length))
    np.add.at(matrix, (np.arange(out_length)[:, None], pixel), weight)
    return matrix
