"""Seeds of random choices that follow from content, never from an order of work."""

from __future__ import annotations

import hashlib

import numpy as np


def content_seed(pixels: np.ndarray, seed: int) -> np.uint32:
    """A seed from a hash of an image's pixels and the run's seed: never its place in a batch.

    Args:
        pixels: of any shape and type; both count.
        seed: from 0 to 2**64 - 1.
    """
    digest = hashlib.sha256(seed.to_bytes(8, "little"))
    digest.update(repr(pixels.shape).encode())
    digest.update(pixels.tobytes())
    return np.uint32(int.from_bytes(digest.digest()[:4], "little"))
