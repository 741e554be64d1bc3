"""The generator, a U-Net that sees the region only as a hole, and its discriminator.

Sources: Hukkelås and Lindseth, "DeepPrivacy2: Towards Realistic Full-Body Anonymization", WACV 2023
(a U-Net over the picture without its region, the mask, and noise that modulates the decoder);
Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024 (residual
blocks without normalisation, leaky ReLU, bilinear resampling, the last layer of a block zero at the
start). Convolutions are plain dense ones: grouped ones are slow on CPUs.
"""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from jaxanon.anonymizers.gan.settings import COARSEST, TrainingSettings

SLOPE = 0.2
"""Slope of the leaky ReLU below zero."""
COLOUR = 0.1
"""Size of the generator's colours beside its light: pictures differ less in colour, and without
this it spends most of its early steps on learning that."""
_KERNEL = nnx.initializers.variance_scaling(2 / (1 + SLOPE**2), "fan_in", "normal")
_ZERO = nnx.initializers.zeros_init()


def leaky_relu(x: Array) -> Array:
    """Leaky ReLU with the slope `SLOPE` below zero."""
    out: Array = nnx.leaky_relu(x, SLOPE)
    return out


def resize_bilinear(x: Array, side: int) -> Array:
    """Resample `(batch, H, W, C)` to `(batch, side, side, C)`, smoothed where it gets smaller."""
    out: Array = jax.image.resize(x, (x.shape[0], side, side, x.shape[3]), "linear")
    return out


def conv(
    in_channels: int, out_channels: int, kernel_size: int, rngs: nnx.Rngs, *, zero: bool = False
) -> nnx.Conv:
    """A convolution with a square kernel; `zero` starts it with zeros."""
    init = _ZERO if zero else _KERNEL
    return nnx.Conv(
        in_channels, out_channels, (kernel_size, kernel_size), kernel_init=init, rngs=rngs
    )


class Residual(nnx.Module):
    """A residual block: two convolutions beside an identity.

    Args:
        channels: channels of input and output.
        rngs: random numbers for the start.
        style: length of the style vector, which scales and shifts the features between the
            convolutions; None for a block without.
    """

    def __init__(self, channels: int, rngs: nnx.Rngs, style: int | None = None) -> None:
        self.first = conv(channels, channels, 3, rngs)
        self.second = conv(channels, channels, 3, rngs, zero=True)
        self.style = (
            None
            if style is None
            else nnx.Linear(style, 2 * channels, kernel_init=_KERNEL, rngs=rngs)
        )

    def __call__(self, x: Array, style: Array | None = None) -> Array:
        inner = self.first(leaky_relu(x))
        if self.style is not None and style is not None:
            scale, shift = jnp.split(self.style(style)[:, None, None, :], 2, axis=-1)
            inner = inner * (1 + scale) + shift
        out: Array = x + self.second(leaky_relu(inner))
        return out


class Encoder(nnx.Module):
    """Features of a picture at each level, from full to coarsest resolution.

    Args:
        in_channels: channels of the picture, its mask included.
        channels: channels of the features, by level.
        rngs: random numbers for the start.
    """

    def __init__(self, in_channels: int, channels: tuple[int, ...], rngs: nnx.Rngs) -> None:
        self.enter = conv(in_channels, channels[0], 3, rngs)
        self.blocks = nnx.List([Residual(count, rngs) for count in channels])
        self.widen = nnx.List([conv(a, b, 1, rngs) for a, b in pairwise(channels)])

    def __call__(self, x: Array) -> list[Array]:
        features = [self.blocks[0](self.enter(x))]
        for widen, block in zip(self.widen, self.blocks[1:], strict=True):
            smaller = widen(resize_bilinear(features[-1], features[-1].shape[1] // 2))
            features.append(block(smaller))
        return features


class Generator(nnx.Module):
    """Fills the masked region of a picture; what is under the mask has no influence."""

    def __init__(self, settings: TrainingSettings, rngs: nnx.Rngs) -> None:
        channels, style = settings.channels, 2 * settings.noise
        self.mapping = nnx.List(
            [
                nnx.Linear(settings.noise, style, kernel_init=_KERNEL, rngs=rngs),
                nnx.Linear(style, style, kernel_init=_KERNEL, rngs=rngs),
            ]
        )
        self.encoder = Encoder(4, channels, rngs)
        self.seed = nnx.Linear(style, COARSEST**2 * channels[-1], kernel_init=_KERNEL, rngs=rngs)
        self.middle = Residual(channels[-1], rngs, style)
        self.merge = nnx.List(
            [
                conv(coarse + fine, fine, 1, rngs)
                for coarse, fine in zip(channels[:0:-1], channels[-2::-1], strict=True)
            ]
        )
        self.blocks = nnx.List([Residual(count, rngs, style) for count in channels[-2::-1]])
        self.leave = conv(channels[0], 4, 3, rngs, zero=True)

    def __call__(self, picture: Array, mask: Array, noise: Array) -> Array:
        """The picture with its region filled.

        Args:
            picture: `(batch, size, size, 3)` in [0, 1]; under the mask it is multiplied by zero.
            mask: `(batch, size, size, 1)`, 1 where the region is, else 0.
            noise: `(batch, noise)`, standard normal; scales and shifts the features of each block
                of the decoder, and is added to the coarsest features.

        Returns:
            `(batch, size, size, 3)`: the fill under the mask, the picture elsewhere. The fill is
            for [0, 1] but not bounded, since a bound has no slope beyond it: clip it for use.
        """
        style = noise
        for layer in self.mapping:
            style = leaky_relu(layer(style))
        context = (2 * picture - 1) * (1 - mask)
        features = self.encoder(jnp.concatenate([context, mask], axis=-1))
        x = features.pop()
        x = self.middle(x + self.seed(style).reshape(x.shape), style)
        for merge, block in zip(self.merge, self.blocks, strict=True):
            fine = features.pop()
            x = merge(jnp.concatenate([resize_bilinear(x, fine.shape[1]), fine], axis=-1))
            x = block(x, style)
        light, colour = jnp.split(self.leave(leaky_relu(x)), [1], axis=-1)
        fill = (1 + light + COLOUR * colour) / 2
        return mask * fill + (1 - mask) * picture


class Discriminator(nnx.Module):
    """Tells real pictures from filled ones, knowing where the region is."""

    def __init__(self, settings: TrainingSettings, rngs: nnx.Rngs) -> None:
        channels = settings.channels
        self.encoder = Encoder(4, channels, rngs)
        self.leave = nnx.Linear(COARSEST**2 * channels[-1], 1, kernel_init=_ZERO, rngs=rngs)

    def __call__(self, picture: Array, mask: Array) -> Array:
        """Scores, `(batch,)`, higher for what seems real.

        Args:
            picture: `(batch, size, size, 3)` in [0, 1], real or filled.
            mask: `(batch, size, size, 1)`, 1 where the region is, else 0.
        """
        x = self.encoder(jnp.concatenate([2 * picture - 1, mask], axis=-1))[-1]
        score: Array = self.leave(leaky_relu(x).reshape(x.shape[0], -1))
        return score[:, 0]
