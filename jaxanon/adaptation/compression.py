"""JPEG compression of what a classifier sees, as a differentiable random transform."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft
from jax import Array

from jaxanon.runtime.precision import GRADIENTS

SIDE = 8
"""Side of the blocks that JPEG transforms, in pixels."""
COSINES = scipy.fft.dct(np.eye(SIDE), axis=0, norm="ortho").astype(np.float32)
"""The orthonormal cosine transform (DCT-II) of 8 values: row u holds the wave of frequency u."""
LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
CHROMINANCE = np.full((SIDE, SIDE), 99)
CHROMINANCE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


def jpeg(view: Array, key: Array, quality: float) -> Array:
    """A view with the losses of JPEG at a random quality, from `quality` up to at least 95.

    The colour transform, the cosine transform of 8 by 8 blocks and the tables are those of the
    standard (ITU-T T.81, annex K; JFIF), the scaling with quality that of libjpeg; chrominance is
    not subsampled. The gradient takes rounding for the identity (straight through: Bengio et al.,
    "Estimating or Propagating Gradients Through Stochastic Neurons", 2013). The grid of blocks is
    that of the view, not that of the file, whose size is the photo's: a model of the loss, not its
    copy.

    Args:
        view: `(size, size, 3)` of pixels in [0, 1].
        key: random key that decides the quality.
        quality: lowest quality that may be drawn, 1 to 100.

    Returns:
        `(size, size, 3)` of pixels, which rounding may bring slightly out of [0, 1].
    """
    size = view.shape[0]
    drawn = jax.random.uniform(key, minval=quality, maxval=max(quality, 95))
    factor = jnp.where(drawn < 50, 50 / drawn, 2 - drawn / 50)
    tables = np.stack([LUMINANCE, CHROMINANCE, CHROMINANCE])
    steps = jnp.clip(jnp.round(tables * factor), 1, 255)
    padded = jnp.pad(view, ((0, -size % SIDE),) * 2 + ((0, 0),), mode="edge")
    ycc = 255 * padded @ TO_YCC.T - np.array([128.0, 0, 0])[None, None]
    count = padded.shape[0] // SIDE
    blocks = ycc.reshape(count, SIDE, count, SIDE, 3)
    with jax.default_matmul_precision(GRADIENTS):
        waves = jnp.einsum("ui,vj,aibjc->abcuv", COSINES, COSINES, blocks)
        scaled = waves / steps[None, None]
        rounded = scaled + jax.lax.stop_gradient(jnp.round(scaled) - scaled)
        back = jnp.einsum(
            "ui,vj,abcuv->aibjc", COSINES, COSINES, rounded * steps[None, None]
        ).reshape(padded.shape)
    rgb = (back + np.array([128.0, 0, 0])[None, None]) @ np.linalg.inv(TO_YCC).T / 255
    return rgb[:size, :size].astype(view.dtype)
