"""Random transforms of a view, drawn anew for each gradient step: what makes an image transfer.

Each is a pure function `(view, key, strength) -> view`, `(size, size, 3)` of pixels in [0, 1]. They
are named and put in a row by a text such as `resize:0.2,flip:0.5`; an expectation over what may
happen to a published image (`flip`, `shift`, `rotate`, `jpeg`, `noise`) is written the same way.
A new transform is a function and a row of `TRANSFORMS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from jaxanon.adaptation import warps
from jaxanon.adaptation.compression import jpeg
from jaxanon.adaptation.dead_leaves import dead_leaves_images
from jaxanon.errors import UsageError, unknown

SMALL = 128
"""Views of fewer pixels along a side are zoomed less by default: networks of 64 pixels transfer
better so, those of 224 and more do not (docs/transfer.md); where between them is a guess."""


class Transform(NamedTuple):
    """A random transform of a view, and what its strength may be.

    Attributes:
        change: the transform itself, `(view, key, strength) -> view`.
        strength: the strength where the text names none.
        least, most: smallest and largest strength allowed.
        whole: whether the strength must be a whole number.
        strength_of_small: the strength where the text names none and the view has fewer pixels
            than `SMALL` along a side; None for the same.
    """

    change: Callable[[Array, Array, float], Array]
    strength: float
    least: float
    most: float
    whole: bool = False
    strength_of_small: float | None = None

    def strength_for(self, size: int) -> float:
        """The strength where the text names none, for a view of `size` by `size` pixels."""
        if self.strength_of_small is None or size >= SMALL:
            return self.strength
        return self.strength_of_small

    def allows(self, strength: float) -> bool:
        """Whether a strength is in range; NaN and infinity are not."""
        within = self.least <= strength <= self.most
        return within and not (self.whole and strength % 1)


def colour(view: Array, key: Array, strength: float) -> Array:
    """The view, its contrast changed by up to `exp(strength)`, its brightness by `strength`."""
    contrast, brightness = jax.random.uniform(key, (2,), minval=-strength, maxval=strength)
    return jnp.asarray(view * jnp.exp(contrast) + brightness)


def noise(view: Array, key: Array, strength: float) -> Array:
    """The view plus Gaussian noise of this standard deviation."""
    return view + strength * jax.random.normal(key, view.shape)


def scale(view: Array, key: Array, copies: float) -> Array:
    """The view, darkened: divided by one of the first so many powers of two (1, 2, 4, ...).

    Source: Lin et al., "Nesterov Accelerated Gradient and Scale Invariance for Adversarial
    Attacks", ICLR 2020 (SI). There all copies are averaged at every step, at as many times the
    cost; the expectation over steps is the same.
    """
    return view * 0.5 ** jax.random.randint(key, (), 0, int(copies))


def mix(view: Array, key: Array, weight: float) -> Array:
    """The view plus a generated picture times this weight.

    Source: Wang et al., "Admix: Enhancing the Transferability of Adversarial Attacks", ICCV 2021,
    with pictures of `dead_leaves_images` in place of neighbours in the batch. There the sum is
    divided by 1, 2, 4, ... as well: `mix:0.2,scale:5`.
    """
    pictures = jnp.asarray(dead_leaves_images(view.shape[0]))
    other = pictures[jax.random.randint(key, (), 0, len(pictures))]
    return view + weight * other.astype(jnp.float32) / 255


def local(view: Array, key: Array, blocks: float) -> Array:
    """One cell of the view alone, the rest grey; in one case of ten the whole view.

    The cells are those of a grid of `blocks` by `blocks`.

    Source: Zeng et al., "Everywhere Attack: Attacking Locally and Globally to Boost Targeted
    Transferability", AAAI 2025: each region is to decide alone. There nine cells of four
    by four and the whole are averaged at every step; the expectation over steps is the same.
    """
    count, size = int(blocks), view.shape[0]
    chance, for_row, for_column = jax.random.split(key, 3)
    cell = jnp.arange(size) * count // size
    rows = cell == jax.random.randint(for_row, (), 0, count)
    columns = cell == jax.random.randint(for_column, (), 0, count)
    shown = (rows[:, None] & columns[None]) | (jax.random.uniform(chance) < 0.1)
    return jnp.where(shown[..., None], view, 0.5)


TRANSFORMS = {
    "resize": Transform(warps.resize, 0.2, 0, 4),
    "zoom": Transform(warps.zoom, 0.5, 0, 4, strength_of_small=0.25),
    "di": Transform(warps.sometimes_resize, 0.5, 0, 1),
    "flip": Transform(warps.flip, 0.5, 0, 1),
    "shift": Transform(warps.shift, 0.05, 0, 0.5),
    "rotate": Transform(warps.rotate, 5, 0, 180),
    "blocks": Transform(warps.shuffle_blocks, 2, 1, 8, whole=True),
    "scale": Transform(scale, 5, 1, 8, whole=True),
    "mix": Transform(mix, 0.2, 0, 1),
    "local": Transform(local, 4, 1, 8, whole=True),
    "colour": Transform(colour, 0.2, 0, 1),
    "noise": Transform(noise, 0.02, 0, 1),
    "jpeg": Transform(jpeg, 75, 1, 100, whole=True),
}
"""Name of a transform in `Settings.transforms` -> the transform."""


def parse(text: str) -> tuple[tuple[str, float | None], ...]:
    """Names and strengths of the transforms in `name:strength,name,...`; none for an empty text.

    Where the text names no strength it is None: then it depends on the view.

    Raises:
        UsageError: for a name that is no transform's, or a strength out of its range.
    """
    parsed = []
    for part in filter(None, text.split(",")):
        name, _, number = part.strip().partition(":")
        if name not in TRANSFORMS:
            raise UsageError(f"transforms={text}: {unknown('transform', name, TRANSFORMS)}")
        transform = TRANSFORMS[name]
        kind = "a whole number, " if transform.whole else ""
        wanted = f"{kind}{transform.least:g} to {transform.most:g}"
        try:
            strength = float(number) if number else None
        except ValueError:
            raise UsageError(f"the strength of transform {part!r} must be {wanted}") from None
        if strength is not None and not transform.allows(strength):
            raise UsageError(f"the strength of transform {part!r} must be {wanted}")
        parsed.append((name, strength))
    return tuple(parsed)


def changed(text: str, view: Array, key: Array) -> Array:
    """A view after all transforms that the text names, one after the other.

    Args:
        text: names and strengths, such as `resize:0.2,flip`.
        view: `(size, size, 3)` of pixels in [0, 1].
        key: random key that determines all of them.
    """
    for i, (name, strength) in enumerate(parse(text)):
        transform = TRANSFORMS[name]
        amount = transform.strength_for(view.shape[0]) if strength is None else strength
        view = transform.change(view, jax.random.fold_in(key, i), amount)
    return view
