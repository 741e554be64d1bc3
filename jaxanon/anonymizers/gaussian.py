"""Gaussian blur of pixel arrays, at a cost that does not grow with its width."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

COARSE = 3.0
"""Standard deviation in pixels from which on the blur goes over a coarser grid."""
KEPT = 1024
"""Longest axis whose matrices are kept for the next image; those of longer ones take megabytes."""
SPACING = 1.5
"""Points of the coarser grid per standard deviation."""


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Convolution with a Gaussian, the edge repeated outwards.

    A Gaussian is the convolution of two narrower ones, and after the first so little is left of
    what is fine that a coarse grid holds it. So a wide blur is, along each axis, two products with
    small matrices: down to the grid, and up from it. That is within a hundredth of a level (of
    values in [0, 255]) of the convolution; a narrow blur is one, cut off at 4 standard deviations.

    Args:
        image: `(H, W, C)`, of a floating type, which is kept.
        sigma: standard deviation in pixels, above 0.
    """
    if sigma < COARSE:
        return _blurred_along(_blurred_along(image, sigma, 0), sigma, 1)
    height, width, channels = image.shape
    down, up = _factors(height, sigma)
    down_columns, up_columns = _factors(width, sigma)
    low = down.astype(image.dtype, copy=False) @ image.reshape(height, -1)
    columns = low.reshape(-1, width, channels).swapaxes(0, 1).reshape(width, -1)
    columns = up_columns.astype(image.dtype, copy=False) @ (
        down_columns.astype(image.dtype) @ columns
    )
    low = columns.reshape(width, -1, channels).swapaxes(0, 1).reshape(len(down), -1)
    blurred: np.ndarray = (up.astype(image.dtype, copy=False) @ low).reshape(image.shape)
    return blurred


def _factors(length: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """A blur along an axis as the product of two matrices; see `_matrices`."""
    return (_kept if length <= KEPT else _matrices)(length, sigma)


def _matrices(length: int, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """A blur along an axis as the product of two matrices, float32.

    Returns:
        `(points, length)`, from pixels to a grid of `SPACING` points per standard deviation, and
        `(length, points)`, back; a constant stays what it is.
    """
    half = sigma / np.sqrt(2)
    beyond = 4 * half  # of the image's ends, as far as a point of the grid reaches a pixel
    count = int(np.ceil((length - 1 + 2 * beyond) * SPACING / sigma)) + 1
    points = (length - 1) / 2 + sigma / SPACING * (np.arange(count) - (count - 1) / 2)
    margin = int(np.ceil(2 * beyond))
    pixels = np.arange(-margin, length + margin)
    weights = np.exp(-0.5 * ((points[:, None] - pixels) / half) ** 2)
    down = weights[:, margin : margin + length].copy()
    down[:, 0] += weights[:, :margin].sum(1)  # the edge repeated outwards
    down[:, -1] += weights[:, margin + length :].sum(1)
    up = np.exp(-0.5 * ((np.arange(length)[:, None] - points) / half) ** 2)
    up /= (up @ down.sum(1))[:, None]
    return down.astype(np.float32), up.astype(np.float32)


_kept = lru_cache(maxsize=32)(_matrices)


def _blurred_along(image: np.ndarray, sigma: float, axis: int) -> np.ndarray:
    """Convolution with the Gaussian along one axis, by the fast Fourier transform.

    By numpy's: scipy.signal.fftconvolve differs by up to 7e-5 of a level, which would now and then
    round to another byte and change files that were saved before.
    """
    reach = max(1, int(np.ceil(4 * sigma)))
    length = image.shape[axis]
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    around = [(reach, reach) if a == axis else (0, 0) for a in range(image.ndim)]
    padded = np.pad(image, around, mode="edge")
    size = length + 2 * reach
    spectrum = np.fft.rfft((taps / taps.sum()).astype(image.dtype, copy=False), size)
    shape = [-1 if a == axis else 1 for a in range(image.ndim)]
    whole = np.fft.irfft(np.fft.rfft(padded, axis=axis) * spectrum.reshape(shape), size, axis=axis)
    return np.take(whole, np.arange(2 * reach, 2 * reach + length), axis=axis)
