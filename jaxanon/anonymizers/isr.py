"""Inverse super resolution: extreme low-resolution views of one image, each moved a little.

Source: Ryoo, Rothrock, Fleming and Yang, "Privacy-Preserving Human Activity Recognition from
Extreme Low Resolution", AAAI 2017. Super resolution explains several low-resolution pictures `Y_k`
of a scene by one high-resolution picture X, `Y_k = D_k H_k F_k X + V_k`: a motion F, a blur H, a
decimation D, noise V. Inverse super resolution runs this forwards: it makes the `Y_k` from X, with
motions of its own choice, and publishes these alone. docs/isr.md says what the paper does with
them, what we do, and where we part from it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from PIL import Image

from jaxanon.anonymizers.naive import blur
from jaxanon.errors import ImageError, UsageError

SIZE = (16, 12)
"""Width and height of a view, by default: those of the paper."""
SHIFT, ZOOM, TURN = 1.0, 0.1, 6.0
"""Candidate motions: shifts up to so many pixels of the view, scales of 1 plus or minus so much,
rotations up to so many degrees."""
LEAST = 2.0
"""Pixels of the image that a view's pixel must stand for, in each direction."""
SHARPNESS = 0.4
"""Standard deviation of the blur H, in pixels of the view: little of what is finer survives."""
CANDIDATES = 24


@dataclass(frozen=True)
class Motion:
    """A motion F about the picture's centre; how content moves.

    Attributes:
        right, down: shift, in pixels of the low-resolution view.
        scale: above 1 enlarges.
        degrees: counter-clockwise.
    """

    right: float = 0.0
    down: float = 0.0
    scale: float = 1.0
    degrees: float = 0.0


def candidates(seed: int, count: int = CANDIDATES) -> list[Motion]:
    """Random motions, uniform within the bounds `SHIFT`, `ZOOM` and `TURN`."""
    draw = np.random.default_rng(seed).uniform(-1, 1, (count, 4))
    return [
        Motion(*(round(float(x), 4) for x in (SHIFT * a, SHIFT * b, 1 + ZOOM * c, TURN * d)))
        for a, b, c, d in draw
    ]


def size_of(text: str | None) -> tuple[int, int]:
    """The size of a view from its option, `WIDTHxHEIGHT`.

    Raises:
        UsageError: when it is none.
    """
    if text is None:
        return SIZE
    match = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if not match or min(size := (int(match[1]), int(match[2]))) < 2:
        raise UsageError(f"--size is {text!r}; give WIDTHxHEIGHT in pixels, such as 16x12")
    return size


def view(image: np.ndarray, size: tuple[int, int], motion: Motion) -> np.ndarray:
    """One low-resolution view, `D H F X`: `(H, W, 3)` uint8 -> `(h, w, 3)` uint8.

    Args:
        image: the original.
        size: width and height of the view of a landscape image; turned for a portrait one.
        motion: F; what comes in from beyond the edge repeats the edge.

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
    soft = blur(moved.astype(np.float32), float(SHARPNESS * step.mean()))
    low = _sampled(_sampled(soft, h).swapaxes(0, 1), w).swapaxes(0, 1)
    return np.asarray(np.clip(np.rint(low), 0, 255), np.uint8)


def _sampled(lines: np.ndarray, count: int) -> np.ndarray:
    """D along the first axis: values at the middles of `count` equal parts, between two lines."""
    places = (np.arange(count) + 0.5) * len(lines) / count - 0.5
    before = places.astype(int)
    weight = (places - before).astype(lines.dtype)[:, None, None]
    after = np.minimum(before + 1, len(lines) - 1)
    return np.asarray((1 - weight) * lines[before] + weight * lines[after])


def _moved(image: np.ndarray, motion: Motion, step: np.ndarray) -> np.ndarray:
    """F X, bicubic; `step` is the length of a view's pixel in those of the image."""
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
    return np.asarray(Image.fromarray(low).resize((width, height), Image.Resampling.BICUBIC))


def select(probabilities: Sequence[np.ndarray], count: int) -> list[int]:
    """Choose motions by maximum entropy, one after the other; their places among the candidates.

    Each time that one is added for which the prediction, averaged over the views chosen so far and
    itself, is the most uncertain; uncertainty is the entropy, averaged over images and
    classifiers. In the paper the classifier is trained anew on the views chosen so far, and that
    view is added next of which it is the least certain; here classifiers are frozen, so the
    average takes the place of the training.

    Args:
        probabilities: per classifier `(candidates, images, classes)`.
        count: how many to choose, at most the candidates.
    """
    total = len(probabilities[0])
    sums = [np.zeros(p.shape[1:]) for p in probabilities]
    chosen: list[int] = []
    while len(chosen) < min(count, total):
        scores = np.full(total, -np.inf)
        for place in set(range(total)) - set(chosen):
            means = [
                (s + p[place]) / (len(chosen) + 1) for s, p in zip(sums, probabilities, strict=True)
            ]
            scores[place] = np.mean([entropy(mean).mean() for mean in means])
        best = int(scores.argmax())
        chosen.append(best)
        sums = [s + p[best] for s, p in zip(sums, probabilities, strict=True)]
    return chosen


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """In bits, over the last axis."""
    logs = np.log2(np.where(probabilities > 0, probabilities, 1))
    return np.asarray(-(probabilities * logs).sum(-1))


def read_motions(path: Path) -> list[Motion]:
    """Motions from the file that `as_json` describes.

    Raises:
        UsageError: naming the file.
    """
    known = {field.name for field in fields(Motion)}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["motions"]
        motions = [Motion(**{name: float(row[name]) for name in known}) for row in rows]
        fine = motions and all(
            abs(m.right) <= 4 and abs(m.down) <= 4 and 0.5 <= m.scale <= 2 and abs(m.degrees) <= 45
            for m in motions
        )
        if not fine:
            raise ValueError("no motion, or one beyond shifts of 4, scales of 0.5 to 2, 45 degrees")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path}: no file of motions ({error!r}); give the isr.json of an earlier run"
        ) from error
    return motions


def as_json(motions: Sequence[Motion]) -> dict[str, object]:
    """Motions as their file holds them."""
    return {"motions": [asdict(motion) for motion in motions]}
