"""Run-length masks in the form of COCO: numbers of pixels, by turns outside and inside.

Source: the format of https://github.com/cocodataset/cocoapi (`common/maskApi.c`), whose own code
reads beyond its memory where the lengths and the size of a mask do not go together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxanon.regions.region import Box

LARGEST = 2**32
"""More pixels than any image has."""


@dataclass(frozen=True)
class RunLengths:
    """A mask whose pixels are counted down its columns, from the left one to the right one.

    Attributes:
        height: height of the mask, in pixels.
        width: width of the mask, in pixels.
        counts: lengths of the runs, the first one outside; int64.
    """

    height: int
    width: int
    counts: np.ndarray

    @classmethod
    def from_coco(cls, stored: Mapping[str, Any]) -> RunLengths:
        """A mask from `{"size": [H, W], "counts": ...}`, counts as a list or as compressed text.

        Raises:
            ValueError, TypeError, KeyError: where it is malformed, or does not fill its size.
        """
        height, width = map(int, stored["size"])
        counts = stored["counts"]
        lengths = _expanded(counts) if isinstance(counts, str) else [int(n) for n in counts]
        if min(height, width) < 1 or height * width > LARGEST:
            raise ValueError(f"a run-length mask has {width}x{height} pixels")
        if min(lengths, default=-1) < 0 or sum(lengths) != height * width:
            raise ValueError(f"the lengths of a mask do not fill its {width}x{height} pixels")
        return cls(height, width, np.array(lengths, np.int64))

    @property
    def box(self) -> Box:
        """The box around it; all zeros where nothing is in it."""
        ends = np.cumsum(self.counts)
        inside = self.counts[1::2] > 0
        first, last = ends[: 2 * inside.size : 2][inside], ends[1::2][inside] - 1
        if not last.size:
            return 0.0, 0.0, 0.0, 0.0
        left, right = first // self.height, last // self.height
        wraps = (left != right).any()  # such a run touches the lower edge, and the upper one
        top = 0 if wraps else (first % self.height).min()
        bottom = self.height - 1 if wraps else (last % self.height).max()
        return float(left.min()), float(top), float(right.max() + 1), float(bottom + 1)

    def drawn(self) -> np.ndarray:
        """Its pixels, `(height, width)` bool."""
        inside = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(inside, self.counts).reshape(self.width, self.height).T


def _expanded(text: str) -> list[int]:
    """The lengths in a compressed text.

    Five bits in each character, the lowest first, and whether more follow; from the fourth length
    on, what is stored is the difference to the one before the last.
    """
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("a run-length mask is damaged")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("a run-length mask is cut off")
    return lengths
