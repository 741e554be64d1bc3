"""Random changes of where things are in a view: size, place, angle, order.

Each is a pure function of a view `(size, size, 3)`, a key and a strength, and returns the same
shape; what comes from outside the view is black. Linear in the view, so gradients pass.
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
        view: `(size, size, 3)`.
        key: decides scale and place.
        strength: the share lies between 1 and `1 / (1 + strength)`.
    """
    size = view.shape[0]
    for_scale, for_place = jax.random.split(key)
    scale = 1 / (1 + jax.random.uniform(for_scale, (), maxval=strength))
    place = jax.random.uniform(for_place, (2,)) * size * (1 - scale)
    return _placed(view, jnp.broadcast_to(scale, (2,)), place)


def zoom(view: Array, key: Array, strength: float) -> Array:
    """Shrunk or enlarged about a random place, by a factor between `1 / (1 + s)` and `1 + s`.

    `resize`, continued beyond the view's own size (an enlarged view shows a part of the image), and
    along one axis by more than along the other (at `s` = 0.25, up to a fifth). The factor's
    logarithm is uniform. Together these are the random crops that most classifiers were trained
    on. And other classifiers see the same image at other sizes in pixels (EfficientNet-Lite2 has
    1.14 times as many as Lite0 for the same cut), so what convinces them must not depend on the
    size.
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
    """With this probability shrunk by up to a tenth, as in `resize`; else left alone.

    Source: Xie et al., "Improving Transferability of Adversarial Examples with Input Diversity",
    CVPR 2019 (DI), whose 299 to 330 pixels padded to 330 are shares of 0.906 to 1.
    """
    chance, rest = jax.random.split(key)
    changed = resize(view, rest, 330 / 299 - 1)
    return jnp.where(jax.random.uniform(chance) < probability, changed, view)


def shift(view: Array, key: Array, share: float) -> Array:
    """Moved along both axes, each by up to this share of the side: another crop."""
    place = jax.random.uniform(key, (2,), minval=-share, maxval=share) * view.shape[0]
    return _placed(view, jnp.ones(2), place)


def flip(view: Array, key: Array, probability: float) -> Array:
    """Mirrored left to right, with this probability."""
    return jnp.where(jax.random.uniform(key) < probability, view[:, ::-1], view)


def rotate(view: Array, key: Array, degrees: float) -> Array:
    """Turned about the centre by up to so many degrees, either way."""
    angle = jax.random.uniform(key, minval=-degrees, maxval=degrees)
    middle = (view.shape[0] - 1) / 2
    rows, columns = jnp.mgrid[: view.shape[0], : view.shape[0]] - middle
    rows, columns = _turned(rows, columns, angle)
    return _sampled(view, rows + middle, columns + middle)


def shuffle_blocks(view: Array, key: Array, blocks: float) -> Array:
    """Cut into so many strips along each axis, at random places; shuffled; each block turned.

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
    """Per place of a shuffled axis: its source, and its strip's start, end and index."""
    for_cuts, for_order = jax.random.split(key)
    cuts = jnp.sort(jax.random.randint(for_cuts, (count - 1,), 1, size))
    ends = jnp.append(cuts, size)
    starts = jnp.append(0, cuts)
    order = jax.random.permutation(for_order, count)
    new_ends = jnp.cumsum((ends - starts)[order])
    place = jnp.arange(size)
    new = jnp.searchsorted(new_ends, place, side="right")
    strip = order[new]
    source = place - (new_ends - (ends - starts)[order])[new] + starts[strip]
    return source, starts[strip], ends[strip], strip


def _placed(view: Array, scales: Array, place: Array) -> Array:
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
    cosine, sine = jnp.cos(jnp.deg2rad(degrees)), jnp.sin(jnp.deg2rad(degrees))
    return cosine * rows - sine * columns, sine * rows + cosine * columns


def _sampled(view: Array, rows: Array, columns: Array) -> Array:
    """The view at these places, bilinear between pixels."""
    channels = [
        jax.scipy.ndimage.map_coordinates(view[..., channel], [rows, columns], order=1)
        for channel in range(view.shape[2])
    ]
    return jnp.stack(channels, -1)
