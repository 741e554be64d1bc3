"""Random changes of a view, drawn anew for each gradient step: what makes an image transfer.

Each is a pure function `(view, key, strength) -> view`, `(size, size, 3)` of pixels in [0, 1]. They
are named and put in a row by a text such as `resize:0.2,flip:0.5`; an expectation over what may
happen to a published image (`flip`, `shift`, `rotate`, `jpeg`, `noise`) is written the same way.
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


class Transform(NamedTuple):
    """A change, and what its strength may be.

    Attributes:
        change: `(view, key, strength) -> view`.
        strength: when none is given.
        least, most: what it may be.
        whole: whether it is a whole number.
    """

    change: Callable[[Array, Array, float], Array]
    strength: float
    least: float
    most: float
    whole: bool = False


def colour(view: Array, key: Array, strength: float) -> Array:
    """Contrast changed by a factor of up to `exp(strength)`, brightness by up to `strength`."""
    contrast, brightness = jax.random.uniform(key, (2,), minval=-strength, maxval=strength)
    return jnp.asarray(view * jnp.exp(contrast) + brightness)


def noise(view: Array, key: Array, strength: float) -> Array:
    """Gaussian noise of this standard deviation added."""
    return view + strength * jax.random.normal(key, view.shape)


def scale(view: Array, key: Array, copies: float) -> Array:
    """The view divided by 1, 2, 4, ..., one of so many.

    Source: Lin et al., "Nesterov Accelerated Gradient and Scale Invariance for Adversarial
    Attacks", ICLR 2020 (SI). There all copies are averaged at every step, at as many times the
    cost; the expectation over steps is the same.
    """
    return view * 0.5 ** jax.random.randint(key, (), 0, int(copies))


def mix(view: Array, key: Array, weight: float) -> Array:
    """A generated picture added, with this weight.

    Source: Wang et al., "Admix: Enhancing the Transferability of Adversarial Attacks", ICCV 2021,
    with pictures of `dead_leaves_images` in place of neighbours in the batch. There the sum is
    divided by 1, 2, 4, ... as well: `mix:0.2,scale:5`.
    """
    pictures = jnp.asarray(dead_leaves_images(view.shape[0]))
    other = pictures[jax.random.randint(key, (), 0, len(pictures))]
    return view + weight * other.astype(jnp.float32) / 255


def local(view: Array, key: Array, blocks: float) -> Array:
    """One cell of a grid of so many by so many alone, the rest grey; the whole one time in ten.

    Source: Zeng et al., "Everywhere Attack: Attacking Locally and Globally to Boost Targeted
    Transferability", AAAI 2025: each region is to convince on its own. There nine cells of four
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
    "zoom": Transform(warps.zoom, 0.25, 0, 4),
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


def parse(text: str) -> tuple[tuple[str, float], ...]:
    """Names and strengths of `name:strength,name,...`; nothing for an empty text.

    Raises:
        UsageError: for a name that is none, or a strength that cannot be.
    """
    found = []
    for part in filter(None, text.split(",")):
        name, _, given = part.strip().partition(":")
        if name not in TRANSFORMS:
            raise UsageError(f"transforms={text}: {unknown('transform', name, TRANSFORMS)}")
        transform = TRANSFORMS[name]
        kind = "a whole number, " if transform.whole else ""
        wanted = f"{kind}{transform.least:g} to {transform.most:g}"
        try:
            strength = float(given) if given else transform.strength
        except ValueError:
            raise UsageError(f"the strength of transform {part!r} must be {wanted}") from None
        whole = strength == int(strength) if abs(strength) <= transform.most else False
        if not transform.least <= strength <= transform.most or (transform.whole and not whole):
            raise UsageError(f"the strength of transform {part!r} must be {wanted}")
        found.append((name, strength))
    return tuple(found)


def changed(text: str, view: Array, key: Array) -> Array:
    """The view after all changes named in the text, one after the other."""
    for i, (name, strength) in enumerate(parse(text)):
        view = TRANSFORMS[name].change(view, jax.random.fold_in(key, i), strength)
    return view
