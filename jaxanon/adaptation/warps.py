"""Random transforms that move what is in a view: they change its size, place, angle or order.

Each is a pure function of a view `(size, size, 3)` of pixels, a random key and a strength, and
returns a view of the same shape; what comes from outside the view is black. All are linear in the
view, so gradients pass.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def resize(view: Array, key: Array, strength: float) -> Array:
    """The view, shrunk to a random share of its side and put at a random place on black.

    Source: Zou et al., "Improving the Transferability of Adversarial Examples with
    Resized-Diverse-Inputs, Diversity-Ensemble and Region Fitting", ECCV 2020 (RDI). The
    enlargement, padding and reduction that they describe are one linear map; so it is computed.

    Args:
        view: `(size, size, 3)` of pixels.
        key: random key that decides scale and place.
        strength: how much smaller the view may become: its share of the side lies between 1 and
            `1 / (1 + strength)`.
    """
    size = view.shape[0]
    for_scale, for_place = jax.random.split(key)
    scale = 1 / (1 + jax.random.uniform(for_scale, (), maxval=strength))
    place = jax.random.uniform(for_place, (2,)) * size * (1 - scale)
    return _placed(view, jnp.broadcast_to(scale, (2,)), place)


def zoom(view: Array, key: Array, strength: float) -> Array:
    """The view, shrunk or enlarged about a random place, and stretched a little along one axis.

    The factor lies between `1 / (1 + strength)` and `1 + strength`, its logarithm is uniform. It is
    `resize`, continued beyond the view's own size (an enlarged view shows a part of the image), and
    along one axis by more than along the other (at a strength of 0.25, up to a fifth). Together
    these are the random crops that most classifiers were trained on. And other classifiers see the
    same image at other sizes in pixels (EfficientNet-Lite2 has 1.14 times as many as Lite0 for the
    same cut), so what they decide by must not depend on the size.
    """
    size = view.shape[0]
    for_scale, for_aspect, for_place = jax.random.split(key, 3)
    most = jnp.log1p(strength)
    scale = jnp.exp(jax.random.uniform(for_scale, (), minval=-most, maxval=most))
    stretch = jnp.exp(jax.random.uniform(for_aspect, (), minval=-0.4, maxval=0.4) * most)
    scales = scale * jnp.stack([stretch, 1 / stretch])
    place = jax.random.uniform(for_place, (2,)) * size * (1 - scales)
    return _placed(view, scales, place)


def sometimes_resize(view: Array, key: Array, probability: float) -> Array:
    """The view, with this probability shrunk by up to a tenth, as in `resize`; else as it is.

    Source: Xie et al., "Improving Transferability of Adversarial Examples with Input Diversity",
    CVPR 2019 (DI), whose 299 to 330 pixels padded to 330 are shares of 0.906 to 1.
    """
    chance, rest = jax.random.split(key)
    changed = resize(view, rest, 330 / 299 - 1)
    return jnp.where(jax.random.uniform(chance) < probability, changed, view)


def shift(view: Array, key: Array, share: float) -> Array:
    """The view, moved along each axis by up to this share of its side: another crop."""
    place = jax.random.uniform(key, (2,), minval=-share, maxval=share) * view.shape[0]
    return _placed(view, jnp.ones(2), place)


def flip(view: Array, key: Array, probability: float) -> Array:
    """The view, mirrored left to right with this probability."""
    return jnp.where(jax.random.uniform(key) < probability, view[:, ::-1], view)


def rotate(view: Array, key: Array, degrees: float) -> Array:
    """The view, turned about its centre by up to so many degrees, either way."""
    angle = jax.random.uniform(key, minval=-degrees, maxval=degrees)
    middle = (view.shape[0] - 1) / 2
    rows, columns = jnp.mgrid[: view.shape[0], : view.shape[0]] - middle
    rows, columns = _turned(rows, columns, angle)
    return _sampled(view, rows + middle, columns + middle)


def shuffle_blocks(view: Array, key: Array, blocks: float) -> Array:
    """The view, cut into blocks at random places, which are shuffled and each turned.

    It is cut into `blocks` strips along each axis.

    Source: Wang et al., "Boosting Adversarial Transferability by Block Shuffle and Rotation",
    CVPR 2024 (BSR); angles up to 24 degrees, as there. Its gradient averaged over 20 views is here
    the mean over steps.
    """
    count, size = int(blocks), view.shape[0]
    by_row, by_column, for_angle = jax.random.split(key, 3)
    row, top, bottom, i = _shuffled(size, count, by_row)
    column, left, right, j = _shuffled(size, count, by_column)
    angles = jax.random.uniform(for_angle, (count, count), minval=-24, maxval=24)
    middle_row, middle_column = ((top + bottom - 1) / 2)[:, None], ((left + right - 1) / 2)[None]
    rows, columns = _turned(
        row[:, None] - middle_row, column[None] - middle_column, angles[i[:, None], j[None]]
    )
    rows, columns = rows + middle_row, columns + middle_column
    inside = (
        (rows > top[:, None] - 1)
        & (rows < bottom[:, None])
        & (columns > left[None] - 1)
        & (columns < right[None])
    )
    return _sampled(view, rows, columns) * inside[..., None]


def _shuffled(size: int, count: int, key: Array) -> tuple[Array, Array, Array, Array]:
    """How an axis of `size` pixels looks after its `count` strips were shuffled.

    Returns:
        For each pixel, `(size,)` int: the pixel that comes there, and of the strip that this one
        lies in the first pixel, the end, and the index.
    """
    for_cuts, for_order = jax.random.split(key)
    cuts = jnp.sort(jax.random.randint(for_cuts, (count - 1,), 1, size))
    ends = jnp.append(cuts, size)
    starts = jnp.append(0, cuts)
    order = jax.random.permutation(for_order, count)
    shuffled_ends = jnp.cumsum((ends - starts)[order])
    pixel = jnp.arange(size)
    position = jnp.searchsorted(shuffled_ends, pixel, side="right")
    strip = order[position]
    moved_from = pixel - (shuffled_ends - (ends - starts)[order])[position] + starts[strip]
    return moved_from, starts[strip], ends[strip], strip


def _placed(view: Array, scales: Array, place: Array) -> Array:
    """The view, scaled along each axis and put at a place `(row, column)` in pixels, on black."""
    moved: Array = jax.image.scale_and_translate(
        view,
        view.shape,
        (0, 1),
        scales,
        place,
        method="linear",
        antialias=True,
    )
    return moved


def _turned(rows: Array, columns: Array, degrees: Array) -> tuple[Array, Array]:
    """Coordinates turned about the origin by an angle."""
    cosine, sine = jnp.cos(jnp.deg2rad(degrees)), jnp.sin(jnp.deg2rad(degrees))
    return cosine * rows - sine * columns, sine * rows + cosine * columns


def _sampled(view: Array, rows: Array, columns: Array) -> Array:
    """The view's values at these coordinates in pixels, bilinear between pixels."""
    channels = [
        jax.scipy.ndimage.map_coordinates(view[..., channel], [rows, columns], order=1)
        for channel in range(view.shape[2])
    ]
    return jnp.stack(channels, -1)
