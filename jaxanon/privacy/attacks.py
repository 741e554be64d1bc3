"""What an attacker may do to a published image before looking whose it is.

All take and return float arrays `(H, W, 3)` in [0, 1]. The attacker knows how strong the
anonymizer was: `deviation` is the standard deviation, in pixels, of the blur that comes nearest.
Deconvolution and denoising are scikit-image's (extra `privacy`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from jaxanon.anonymizers import ANONYMIZERS
from jaxanon.anonymizers.blur import BlurOptions

BALANCE = 0.01
"""Weight of smoothness in Wiener's filter."""
ITERATIONS = 15
"""Iterations of Richardson and Lucy's method: more bring out the noise of eight bits."""
SMOOTHNESS = 0.1
"""Weight of the total variation in denoising."""

Attack = Callable[[np.ndarray, float], np.ndarray]


def wiener(image: np.ndarray, deviation: float) -> np.ndarray:
    """Deblur by Wiener's filter with a Laplacian prior (Orieux et al., 2010)."""
    from skimage.restoration import wiener as restore

    return _restored(image, deviation, lambda channel, psf: restore(channel, psf, BALANCE))


def richardson_lucy(image: np.ndarray, deviation: float) -> np.ndarray:
    """Deblur by the iteration of Richardson (1972) and Lucy (1974)."""
    from skimage.restoration import richardson_lucy as restore

    return _restored(image, deviation, lambda channel, psf: restore(channel, psf, ITERATIONS))


def denoise(image: np.ndarray, deviation: float) -> np.ndarray:
    """Take the perturbation for noise, and remove it: total variation (Chambolle, 2004)."""
    from skimage.restoration import denoise_tv_chambolle

    return np.asarray(denoise_tv_chambolle(image, SMOOTHNESS, channel_axis=-1))


DEBLURRING = ("wiener", "richardson_lucy")
"""Names of the attacks that are of use only where something was blurred."""
ATTACKS: dict[str, Attack] = {
    "wiener": wiener,
    "richardson_lucy": richardson_lucy,
    "denoise": denoise,
}


def _restored(
    image: np.ndarray,
    deviation: float,
    restore: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Deconvolve each channel of an image, after repeating its edge far outwards.

    Without that, one filter would take the image for periodic, the other for black outside.

    Args:
        image: `(H, W, 3)` in [0, 1].
        deviation: standard deviation of the blur, in pixels.
        restore: deconvolves a channel `(h, w)` by a point spread function `(k, k)`.
    """
    reach = max(1, min(math.ceil(3 * deviation), 3 * min(image.shape[:2])))
    edge = 3 * reach
    around = ((edge, edge), (edge, edge), (0, 0))
    padded = np.pad(image, around, mode="edge")
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-3)) ** 2)
    psf = np.outer(taps, taps) / taps.sum() ** 2
    channels = [restore(padded[..., c], psf) for c in range(image.shape[2])]
    inner = np.stack(channels, -1)[edge:-edge, edge:-edge]
    return np.asarray(np.clip(np.nan_to_num(inner), 0, 1))


def deviation_of(settings: Mapping[str, object]) -> tuple[float, bool]:
    """The Gaussian blur that hides about as much as the anonymizer of a run.

    Args:
        settings: those of the run's report; `method` names the anonymizer, if there was one.

    Returns:
        Its standard deviation, in pixels of an image whose short side has 256, and whether it is
        known: an anonymizer that knows none counts as blur at its default strength.
    """
    kind = ANONYMIZERS.get(str(settings.get("method")))
    deviation = kind.equivalent_blur(settings) if kind else None
    return (BlurOptions.strength, False) if deviation is None else (deviation, True)
