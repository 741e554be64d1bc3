"""Views of images made on the device, where the host's cores are too few to resize for it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxanon.classifiers.config import Config
from jaxanon.classifiers.ops.resize import MOST_TAPS, PLACES, Taps, resize
from jaxanon.classifiers.preprocessing import (
    count_taps,
    crop_start,
    distinct_views,
    look,
    resampling_taps,
    resized,
)
from jaxanon.runtime import devices

log = logging.getLogger(__name__)
Given = tuple[np.ndarray, list[tuple[Taps, Taps]]]
"""Pixels and taps, as they go to the device."""

STEP = 256
"""Images are filled up to multiples of so many pixels: few programs serve all sizes."""
LARGEST = 1024
"""Longest side of an image that is resized on the device, in pixels.

Of longer ones a batch would be hundreds of megabytes, and decoding them takes the host far longer
than resizing.
"""


class LazyViews:
    """What classifiers see of one image, made when it is first asked for.

    The device makes it along with their decisions, else the host. Any thread may ask.

    Attributes:
        image: `(H, W, 3)` uint8; None once the views are made.
        configs: preprocessing of the classifiers.
    """

    def __init__(self, image: np.ndarray, configs: Sequence[Config]) -> None:
        self.image: np.ndarray | None = image
        self.configs = tuple(configs)
        self._first, self._number = distinct_views(configs)
        self._made: Callable[[int], np.ndarray]

    def __len__(self) -> int:
        return len(self.configs)

    def __getitem__(self, index: int) -> np.ndarray:
        image = self.image
        if image is not None:
            return look(image, self.configs[index])
        return self._made(self._number[index])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def made(self, batch: Resized, row: int) -> None:
        """Let go of the image; its views are a row of a batch."""
        self._made = lambda number: batch.fetched()[number][row]
        self.image = None

    def make(self) -> None:
        """Make the views on the host, and let go of the image."""
        image = self.image
        if image is not None:
            views = [look(image, self.configs[i]) for i in self._first]
            self._made = lambda number: views[number]
            self.image = None


class Resized:
    """Views of a batch of images on the device, fetched when the host first asks for one.

    Args:
        views: per distinct view `(batch, size, size, 3)` uint8.
        configs: preprocessing of all classifiers that look.
    """

    def __init__(self, views: Sequence[jax.Array | np.ndarray], configs: Sequence[Config]) -> None:
        self.views, self.configs = views, tuple(configs)
        self._fetched: list[np.ndarray] | None = None
        self._lock = Lock()

    def fetched(self) -> list[np.ndarray]:
        """The views on the host; the device lets go of them."""
        with self._lock:
            if self._fetched is None:
                self._fetched = list(jax.device_get(self.views))
                self.views = ()
            return self._fetched

    def keep_for(self, views: Iterable[LazyViews]) -> None:
        """Be the views of these images from now on, in their order.

        Those that other classifiers are to look at, too, keep their pixels.
        """
        for row, one in enumerate(views):
            if one.configs == self.configs:
                one.made(self, row)


class Resizer:
    """Resizes batches of images for classifiers, with the pixels that Pillow gives on the host.

    Each program's first image is resized on the host too, and compared.

    Args:
        configs: the classifiers' preprocessing.
        mesh: devices to compute on.
    """

    def __init__(self, configs: Sequence[Config], mesh: Mesh) -> None:
        first, self.number = distinct_views(configs)
        self.all, self.configs, self.mesh = configs, [configs[i] for i in first], mesh
        self.trusted = True
        self._compared: set[Any] = set()

    def takes(self, image: np.ndarray) -> bool:
        """Whether the device is to resize an image `(H, W, 3)`."""
        size = image.shape[:2]
        return (
            self.trusted
            and max(size) <= LARGEST
            and all(_can(*size, config) for config in self.configs)
        )

    def __call__(self, given: Given) -> Resized:
        """Views of a batch of images."""
        placed = jax.device_put(given, devices.split(self.mesh))
        return Resized(resize(self.mesh, *placed), self.all)

    def given(self, images: Sequence[np.ndarray], batch: int) -> Given:
        """The arrays that go to the device, for a batch that black images fill up.

        Args:
            images: `(H, W, 3)` uint8 each.
            batch: number of rows.

        Returns:
            Pixels `(batch, H, W, 3)`, and the taps of each distinct view.
        """
        sides = [_up(max(image.shape[axis] for image in images), STEP) for axis in (0, 1)]
        pixels = np.zeros((batch, *sides, 3), np.uint8)
        for slot, image in zip(pixels, images, strict=False):
            slot[: image.shape[0], : image.shape[1]] = image
        sizes = [image.shape[:2] for image in images]
        sizes += [sizes[0]] * (batch - len(images))
        return pixels, [
            _stacked([_taps(*size, config) for size in sizes]) for config in self.configs
        ]

    def check(self, image: np.ndarray, given: Given) -> None:
        """Compare what a program that is new makes of the first image with the host's views."""
        program = tuple(leaf.shape for leaf in jax.tree.leaves(given))
        if program in self._compared or not self.trusted:
            return
        for config, views in zip(self.configs, self(given).fetched(), strict=True):
            if not np.array_equal(views[0], look(image, config)):
                log.warning("this device resizes otherwise than Pillow; the host does it instead")
                self.trusted = False
                return
        self._compared.add(program)


@lru_cache(4096)
def _can(height: int, width: int, config: Config) -> bool:
    """Whether what the device computes is exact for a view, and done in Pillow's order.

    Pillow resizes along rows first; from version 13 on along columns first where the height shrinks
    by more than twice what the width does; such images go to the host, whichever is installed.
    """
    out = resized(height, width, config.resize)
    columns_first = height - out[0] > max(0, 2 * (width - out[1]))
    return not columns_first and all(
        count_taps(length, end, config.interpolation) <= MOST_TAPS
        for length, end in zip((height, width), out, strict=True)
    )


@lru_cache(4096)
def _taps(height: int, width: int, config: Config) -> tuple[Taps, Taps]:
    """Taps of the rows and columns of a view, as NumPy arrays."""
    size = config.input_size
    rows, columns = (
        _axis(length, out, config.interpolation, crop_start(out, size), size)
        for length, out in zip((height, width), resized(height, width, config.resize), strict=True)
    )
    return rows, columns


def _axis(length: int, out: int, interpolation: str, start: int, size: int) -> Taps:
    at, weights = resampling_taps(length, out, interpolation, slice(start, start + size))
    # Pillow rounds halves away from zero.
    fixed = np.trunc(weights * (1 << PLACES) + np.copysign(0.5, weights)).astype(np.int32)
    return Taps(at[:, 0].astype(np.int32), fixed)


def _stacked(taps: Sequence[tuple[Taps, Taps]]) -> tuple[Taps, Taps]:
    """Taps of several images as arrays, filled up to a power of two."""

    def axis(each: Sequence[Taps]) -> Taps:
        widest = max(one.weights.shape[1] for one in each)
        count = max(8, 1 << (widest - 1).bit_length())
        weights = np.zeros((len(each), each[0].weights.shape[0], count), np.int32)
        for slot, one in zip(weights, each, strict=True):
            slot[:, : one.weights.shape[1]] = one.weights
        return Taps(np.stack([one.first for one in each]), weights)

    return axis([rows for rows, _ in taps]), axis([columns for _, columns in taps])


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
