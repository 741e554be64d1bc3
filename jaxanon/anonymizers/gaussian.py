"""Gaussian blur of pixel arrays, at a cost that does not grow with its width."""

from __future__ import annotations

import numpy as np


def gaussian_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Convolution with a Gaussian cut off at 4 standard deviations, the edge repeated outwards.

    Args:
        image: `(H, W, C)`, of a floating type, which is kept.
        sigma: standard deviation in pixels, above 0.
    """
    return _blurred_along(_blurred_along(image, sigma, 0), sigma, 1)


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
    spectrum = np.fft.rfft((taps / taps.sum()).astype(image.dtype), size)
    shape = [-1 if a == axis else 1 for a in range(image.ndim)]
    whole = np.fft.irfft(np.fft.rfft(padded, axis=axis) * spectrum.reshape(shape), size, axis=axis)
    return np.take(whole, np.arange(2 * reach, 2 * reach + length), axis=axis)
