"""Inverse super resolution: extreme low-resolution views of one image, each moved a little.

Source: Ryoo, Rothrock, Fleming and Yang, "Privacy-Preserving Human Activity Recognition from
Extreme Low Resolution", AAAI 2017. Super resolution explains several low-resolution pictures `Y_k`
of a scene by one high-resolution picture X, `Y_k = D_k H_k F_k X + V_k`: a motion F, a blur H, a
decimation D, noise V. Inverse super resolution runs this forwards: it makes the `Y_k` from X, with
motions of its own choice, and publishes these alone. docs/isr.md says what the paper does with
them, what we do, and where we part from it.
"""

from __future__ import annotations

import math
import re

import numpy as np

from jaxanon.anonymizers.gaussian import gaussian_blur
from jaxanon.anonymizers.motions import Motion
from jaxanon.errors import ImageError, UsageError

LEAST = 2.0
"""Pixels of the image that a view's pixel must stand for, in each direction."""
SHARPNESS = 0.4
"""Standard deviation of the blur H, in pixels of the view: little of what is finer survives."""


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of a view in pixels, at least 2 each, from the option `WIDTHxHEIGHT`.

    Raises:
        UsageError: when the text is no such size.
    """
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if not match or min(size := (int(match[1]), int(match[2]))) < 2:
        raise UsageError(f"--size is {text!r}; give WIDTHxHEIGHT in pixels, such as 16x12")
    return size


def low_resolution(image: np.ndarray, size: tuple[int, int], motion: Motion) -> np.ndarray:
    """One low-resolution view of an image, `D H F X`.

    Args:
        image: the original X, `(H, W, 3)` uint8.
        size: width and height of the view of a landscape image, in pixels; turned for a portrait.
        motion: how the content moves, F; what comes in from beyond the edge repeats the edge.

    Returns:
        `(h, w, 3)` uint8.

    Raises:
        ImageError: when the image is hardly larger than the view.
    """
    height, width = image.shape[:2]
    w, h = size if width >= height else size[::-1]
    step = np.array([width / w, height / h])
    if step.min() < LEAST:
        raise ImageError(
            f"{width}x{height} pixels; a view of {w}x{h} hides next to nothing of it: give a "
            "smaller --size"
        )
    moved = _moved(image, motion, step)
    soft = gaussian_blur(moved.astype(np.float32), float(SHARPNESS * step.mean()))
    low = _sampled(_sampled(soft, h).swapaxes(0, 1), w).swapaxes(0, 1)
    return np.asarray(np.clip(np.rint(low), 0, 255), np.uint8)


def _sampled(lines: np.ndarray, count: int) -> np.ndarray:
    """Decimation D along the first axis: values at the middles of `count` equal parts.

    Each is interpolated between the two lines of `(length, W, C)` nearest to it.
    """
    places = (np.arange(count) + 0.5) * len(lines) / count - 0.5
    before = places.astype(int)
    weight = (places - before).astype(lines.dtype)[:, None, None]
    after = np.minimum(before + 1, len(lines) - 1)
    return np.asarray((1 - weight) * lines[before] + weight * lines[after])


def _moved(image: np.ndarray, motion: Motion, step: np.ndarray) -> np.ndarray:
    """The image under a motion, F X, by bicubic interpolation.

    Args:
        image: `(H, W, 3)` uint8.
        motion: with shifts in pixels of the view.
        step: `(2,)`, width and height of a view's pixel in pixels of the image.
    """
    from PIL import Image

    height, width = image.shape[:2]
    angle = math.radians(motion.degrees)
    # Pillow asks, for each pixel of the result, where it comes from: the inverse motion.
    cosine, sine = math.cos(angle) / motion.scale, math.sin(angle) / motion.scale
    x, y = width / 2, height / 2
    right, down = motion.right * step[0], motion.down * step[1]
    turn = np.array([[cosine, -sine], [sine, cosine]])
    start = np.array([x, y]) - turn @ [x + right, y + down]
    corners = turn @ [[0, 0, width, width], [0, height, 0, height]] + start[:, None]
    left, top = (max(0, math.ceil(-side.min()) + 2) for side in corners)
    more = [
        max(0, math.ceil(side.max() - length) + 2)
        for side, length in zip(corners, (width, height), strict=True)
    ]
    around = np.pad(image, ((top, more[1]), (left, more[0]), (0, 0)), mode="edge")
    affine = (cosine, -sine, start[0] + left, sine, cosine, start[1] + top)
    turned = Image.fromarray(around).transform(
        (width, height), Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC
    )
    return np.asarray(turned)


def enlarged(low: np.ndarray, height: int, width: int) -> np.ndarray:
    """A view at the size of its image, bicubic: `(h, w, 3)` uint8 -> `(height, width, 3)` uint8."""
    from PIL import Image

    return np.asarray(Image.fromarray(low).resize((width, height), Image.Resampling.BICUBIC))
