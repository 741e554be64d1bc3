"""Problems as they travel to a device: a few arrays in place of dozens, since each takes time.

One array holds all bytes of an image (views and bounds), another its numbers, in the order of
`Problem`'s fields. The matrices are apart: they are the same for images of one size, and half of
all that would travel.
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
"""What numbers of four bytes travel as; the device reads them as what they are."""


class Packed(NamedTuple):
    """A problem without its matrices.

    Attributes:
        small: `(1, bytes)` uint8, what takes one byte.
        words: `(1, words)` uint32, what takes four bytes, bit for bit; truth values as 0 and 1.
    """

    small: ArrayLike
    words: ArrayLike


def pack(problem: Problem) -> Packed:
    """Put an image's arrays together, on the host."""
    small, words = [], []
    for leaf in map(np.asarray, jax.tree.leaves(problem._replace(rows=(), columns=()))):
        if leaf.dtype == np.uint8:
            small.append(leaf.ravel())
        else:
            leaf = leaf.astype(WORD) if leaf.dtype == np.bool_ else leaf
            words.append(np.ascontiguousarray(leaf).reshape(-1).view(WORD))
    return Packed(np.concatenate(small)[None], np.concatenate(words)[None])


def pack_matrices(problem: Problem) -> np.ndarray:
    """The matrices of a problem, `(1, numbers)` float32."""
    return np.concatenate([np.ravel(m) for m in (*problem.rows, *problem.columns)])[None]


def unpack(packed: Packed, matrices: ArrayLike, like: Problem) -> Problem:
    """Take the arrays of several images apart, on the device.

    Args:
        packed: their arrays, one image after the other along the first axis.
        matrices: their matrices, likewise.
        like: problems of the same sources, stacked: their arrays' shapes and types alone count.

    Returns:
        The problems, stacked along the first axis.
    """
    small, words = _Cutter(packed.small), _Cutter(packed.words)

    def cut(leaf: Array) -> Array:
        if leaf.dtype == np.uint8:
            return small.next(leaf)
        part = words.next(leaf)
        if leaf.dtype == np.bool_:
            return part != 0
        return jax.lax.bitcast_convert_type(part, leaf.dtype)

    rest: Problem = jax.tree.map(cut, like._replace(rows=(), columns=()))
    floats = _Cutter(matrices)
    rows, columns = jax.tree.map(floats.next, (like.rows, like.columns))
    return rest._replace(rows=rows, columns=columns)


class _Cutter:
    """Cuts an array `(images, n)` into the arrays that it was put together of, first to last."""

    def __init__(self, source: ArrayLike) -> None:
        self._source, self._position = jnp.asarray(source), 0

    def next(self, leaf: Array) -> Array:
        """The part that has the shape of `leaf`, whose first axis does not count."""
        begin, count = self._position, math.prod(leaf.shape[1:])
        self._position = begin + count
        part = self._source[:, begin : begin + count]
        return part.reshape(self._source.shape[0], *leaf.shape[1:])
