"""The naive anonymizers: each an obvious function of pixels. Their outputs break classifiers.

All take and return float arrays `(H, W, 3)` in [0, 255]; lengths are in pixels of the image.
`anonymize` scales them to the image, restricts them to a region, and rounds.
"""

from __future__ import annotations

import numpy as np

from jaxanon.errors import ImageError, UsageError, unknown
from jaxanon.regions.boxes import Region

REFERENCE_SIDE = 256
"""Strengths are given for an image whose short side has so many pixels."""

GREY = 128.0
DEFAULT_STRENGTH: dict[str, float | None] = {"blur": 6.0, "pixelate": 8.0, "solid": None}
LEAST = {"blur": 0.5, "pixelate": 2.0}
"""Lengths in pixels of the image below which a method leaves it all but unchanged."""
NAIVE = tuple(DEFAULT_STRENGTH)
METHODS = (*NAIVE, "isr", "gan")


def strength_of(method: str, strength: float | None) -> float | None:
    """The strength to use: the one given, or the method's default.

    Raises:
        UsageError: for an unknown method, or a strength that it cannot take.
    """
    if method not in METHODS:
        raise UsageError(unknown("method", method, METHODS))
    default = DEFAULT_STRENGTH.get(method)
    if strength is None:
        return default
    if default is None:
        raise UsageError(f"method {method} takes no strength (given: {strength})")
    if not 0 < strength <= REFERENCE_SIDE:
        raise UsageError(f"strength is {strength}; it must be above 0, at most {REFERENCE_SIDE}")
    return strength


def _gaussian_along(image: np.ndarray, sigma: float, axis: int) -> np.ndarray:
    """Convolution with a Gaussian along one axis, the edge pixel repeated outwards.

    By the fast Fourier transform, so that the cost does not grow with sigma.
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


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of standard deviation `sigma`."""
    return _gaussian_along(_gaussian_along(image, sigma, 0), sigma, 1)


def pixelate(image: np.ndarray, cell: float) -> np.ndarray:
    """Each cell of about `cell` by `cell` pixels shows its mean; the cells tile the image."""
    out = image
    for axis in (0, 1):
        length = image.shape[axis]
        cells = max(1, round(length / cell))
        edges = np.arange(cells + 1) * length // cells
        sizes = np.diff(edges)
        shape = [-1 if a == axis else 1 for a in range(image.ndim)]
        means = np.add.reduceat(out, edges[:-1], axis=axis) / sizes.reshape(shape)
        out = np.repeat(means, sizes, axis=axis)
    return out


def solid(image: np.ndarray) -> np.ndarray:
    """Plain mid-grey: nothing of the image is left."""
    return np.full_like(image, GREY)


def anonymize(
    image: np.ndarray, region: Region, method: str, strength: float | None = None
) -> np.ndarray:
    """Apply a method inside a region: `(H, W, 3)` uint8 -> the same, untouched outside it.

    A blurred region is blended in as in Yang et al., "A Study of Face Obfuscation in ImageNet",
    ICML 2022: the region's mask is blurred too, and weighs blurred against untouched pixels. We
    part from them where the blend would show through: the annotated box itself (`region.core`) is
    blurred fully.

    Args:
        image: the original.
        region: where; see `jaxanon.boxes`.
        method: `blur`, `pixelate` or `solid`.
        strength: blur: standard deviation; pixelate: side of a cell; both in pixels of an image
            whose short side has 256.

    Raises:
        UsageError: for an unknown method or a strength out of range.
        ImageError: when the image is so small that the strength would leave it as it is.
    """
    strength = strength_of(method, strength)
    pixels = image.astype(np.float32)
    if method == "solid":
        changed = solid(pixels)
    else:
        assert strength is not None
        length = strength * min(image.shape[:2]) / REFERENCE_SIDE
        if length < LEAST[method]:
            raise ImageError(
                f"{image.shape[1]}x{image.shape[0]} pixels; {method} of strength {strength:g} "
                f"is {length:.2g} pixels there and hides nothing: give a larger --strength"
            )
        changed = (blur if method == "blur" else pixelate)(pixels, length)
    return inside(region, image, changed, soft=method == "blur")


def inside(region: Region, image: np.ndarray, changed: np.ndarray, *, soft: bool) -> np.ndarray:
    """What has changed, inside a region, and the image outside it; rounded to uint8.

    Args:
        region: where.
        image: the original, `(H, W, 3)` uint8.
        changed: `(H, W, 3)`, in [0, 255].
        soft: whether the region's edge is blended, as it is for blur.
    """
    if region.mask is not None:
        weight = region.mask.astype(np.float32)
        if soft and region.feather > 0:
            weight = blur(weight[..., None], region.feather)[..., 0]
            weight[region.core] = 1
        changed = weight[..., None] * changed + (1 - weight[..., None]) * image.astype(np.float32)
    levels: np.ndarray = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
    return levels
