"""Problems as they travel to a device: two arrays in place of dozens, since each takes time.

One array holds all bytes of an image (views and bounds), the other all that takes four bytes
(matrices, numbers), in the order of `Problem`'s fields.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxanon.adaptation.problem import Problem

WORD = np.dtype(np.uint32)
"""What four bytes travel as; the device reads them as what they are."""


class Packed(NamedTuple):
    """A problem in two arrays.

    Attributes:
        small: `(1, bytes)` uint8, what takes one byte.
        words: `(1, words)` uint32, what takes four bytes, bit for bit; truth values as 0 and 1.
    """

    small: ArrayLike
    words: ArrayLike


def pack(problem: Problem) -> Packed:
    """Put an image's arrays together, on the host."""
    small, words = [], []
    for leaf in map(np.asarray, jax.tree.leaves(problem)):
        if leaf.dtype == np.uint8:
            small.append(leaf.ravel())
        else:
            leaf = leaf.astype(WORD) if leaf.dtype == np.bool_ else leaf
            words.append(np.ascontiguousarray(leaf).reshape(-1).view(WORD))
    return Packed(np.concatenate(small)[None], np.concatenate(words)[None])


def unpack(packed: Packed, like: Problem) -> Problem:
    """Take the arrays of several images apart, on the device.

    Args:
        packed: their arrays, one image after the other along the first axis.
        like: problems of the same sources, stacked: their arrays' shapes and types alone count.

    Returns:
        The problems, stacked along the first axis.
    """
    position = {True: 0, False: 0}

    def cut(leaf: Array) -> Array:
        is_small = leaf.dtype == np.uint8
        begin, count = position[is_small], math.prod(leaf.shape[1:])
        position[is_small] = begin + count
        source = jnp.asarray(packed.small if is_small else packed.words)
        part = source[:, begin : begin + count].reshape(source.shape[0], *leaf.shape[1:])
        if leaf.dtype == np.bool_:
            return part != 0
        return part if is_small else jax.lax.bitcast_convert_type(part, leaf.dtype)

    result: Problem = jax.tree.map(cut, like)
    return result
