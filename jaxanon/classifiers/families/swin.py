"""Swin Transformer, tiny.

Source: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV
2021; names and defaults are timm's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from jaxanon.classifiers.family import Family, Naming, Weights
from jaxanon.classifiers.layers.basic import Conv, Head, Linear
from jaxanon.classifiers.layers.leaf import Parameter
from jaxanon.classifiers.layers.norms import LayerNorm
from jaxanon.classifiers.layers.transformer import Mlp, attend
from jaxanon.classifiers.weights.naming import by_pattern

EPS = 1e-5
PATCH, WINDOW, HEAD_WIDTH = 4, 7, 32
STEP = PATCH * WINDOW * 8
"""Sides of images are multiples of so many pixels, so that windows fit at all four scales."""


class SwinVariant(NamedTuple):
    """A variant of Swin.

    Attributes:
        weights: the default weights.
        channels: channels of the first stage; each further stage has twice as many.
        blocks: blocks per stage.
    """

    weights: Weights
    channels: int
    blocks: tuple[int, int, int, int]


VARIANTS = {
    "swin_tiny_patch4_window7_224": SwinVariant(
        Weights("ms_in1k", crop_pct=0.9, licence="mit"), 96, (2, 2, 6, 2)
    ),
}


def _offsets() -> np.ndarray:
    """The row of the bias table for each pair of pixels of a window: (49, 49) int."""
    at = np.stack(np.meshgrid(*[np.arange(WINDOW)] * 2, indexing="ij")).reshape(2, -1)
    apart = at[:, :, None] - at[:, None] + WINDOW - 1
    rows: np.ndarray = apart[0] * (2 * WINDOW - 1) + apart[1]
    return rows


@lru_cache
def _attn_mask(side: int, shift: int) -> np.ndarray:
    """Bias of -100 for pairs of pixels that a cyclic shift brought together, else 0.

    Its shape is (windows, 1, 49, 49), for an image of `side` by `side` tokens.
    """
    region = np.zeros(side, int)
    region[side - WINDOW :] = 1
    region[side - shift :] = 2
    pixels = region[:, None] * 3 + region[None]
    windows = pixels.reshape(side // WINDOW, WINDOW, side // WINDOW, WINDOW)
    flat = windows.transpose(0, 2, 1, 3).reshape(-1, WINDOW**2)
    return np.where(flat[:, :, None] == flat[:, None], 0, -100).astype(np.float32)[:, None]


class WindowAttention(nnx.Module):
    """Self-attention within windows, with a learned bias by relative position."""

    def __init__(self, channels: int) -> None:
        self.heads = channels // HEAD_WIDTH
        self.relative_position_bias_table = Parameter((2 * WINDOW - 1) ** 2, self.heads)
        self.qkv = Linear(channels, 3 * channels)
        self.proj = Linear(channels, channels)

    def __call__(self, x: Array, attn_mask: np.ndarray | None) -> Array:
        bias = self.relative_position_bias_table()[_offsets()].transpose(2, 0, 1)[None]
        if attn_mask is not None:
            images = x.shape[0] // attn_mask.shape[0]
            apart = jnp.tile(jnp.asarray(attn_mask, x.dtype), (images, 1, 1, 1))
            bias = bias + apart
        return self.proj(attend(self.qkv(x), self.heads, bias))


class SwinBlock(nnx.Module):
    """Swin's block: window attention and perceptron, each after a norm and with a residual."""

    def __init__(self, channels: int, side: int, *, shifted: bool) -> None:
        self.shift = WINDOW // 2 if shifted and side > WINDOW else 0
        self.norm1 = LayerNorm(channels, EPS)
        self.attn = WindowAttention(channels)
        self.norm2 = LayerNorm(channels, EPS)
        self.mlp = Mlp(channels, 4 * channels)

    def __call__(self, x: Array) -> Array:
        x = x + self._windows(self.norm1(x))
        return x + self.mlp(self.norm2(x))

    def _windows(self, x: Array) -> Array:
        n, side, _, c = x.shape
        across, back = side // WINDOW, (self.shift, self.shift)
        x = jnp.roll(x, (-self.shift, -self.shift), (1, 2)) if self.shift else x
        x = x.reshape(n, across, WINDOW, across, WINDOW, c).transpose(0, 1, 3, 2, 4, 5)
        attn_mask = _attn_mask(side, self.shift) if self.shift else None
        x = self.attn(x.reshape(-1, WINDOW**2, c), attn_mask)
        x = x.reshape(n, across, across, WINDOW, WINDOW, c).transpose(0, 1, 3, 2, 4, 5)
        x = x.reshape(n, side, side, c)
        return jnp.roll(x, back, (1, 2)) if self.shift else x


class PatchMerging(nnx.Module):
    """Swin's merging of 2x2 tokens into one: half the side, twice the channels."""

    def __init__(self, in_channels: int) -> None:
        self.norm = LayerNorm(4 * in_channels, EPS)
        self.reduction = Linear(4 * in_channels, 2 * in_channels, bias=False)

    def __call__(self, x: Array) -> Array:
        n, h, w, c = x.shape
        x = x.reshape(n, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 4, 2, 5)
        return self.reduction(self.norm(x.reshape(n, h // 2, w // 2, 4 * c)))


class SwinStage(nnx.Module):
    """Swin's stage: merging (not in the first), then blocks, every other one shifted."""

    def __init__(self, channels: int, side: int, blocks: int, *, first: bool) -> None:
        self.downsample = None if first else PatchMerging(channels // 2)
        self.blocks = nnx.List(
            [SwinBlock(channels, side, shifted=i % 2 == 1) for i in range(blocks)]
        )

    def __call__(self, x: Array) -> Array:
        if self.downsample is not None:
            x = self.downsample(x)
        for block in self.blocks:
            x = block(x)
        return x


class SwinPatchEmbed(nnx.Module):
    """Patches of 4 pixels to channels, and a norm."""

    def __init__(self, channels: int) -> None:
        self.proj = Conv(3, channels, PATCH, stride=PATCH)
        self.norm = LayerNorm(channels, EPS)

    def __call__(self, x: Array) -> Array:
        return self.norm(self.proj(x))


class Swin(nnx.Module):
    """Normalised images `(batch, size, size, 3)` -> logits `(batch, classes)`."""

    def __init__(self, variant: SwinVariant, num_classes: int, size: int) -> None:
        self.patch_embed = SwinPatchEmbed(variant.channels)
        side = size // PATCH
        self.layers = nnx.List(
            [
                SwinStage(variant.channels << i, side >> i, blocks, first=i == 0)
                for i, blocks in enumerate(variant.blocks)
            ]
        )
        features = variant.channels << (len(variant.blocks) - 1)
        self.norm = LayerNorm(features, EPS)
        self.head = Head(features, num_classes)

    def __call__(self, x: Array) -> Array:
        x = self.patch_embed(x)
        for stage in self.layers:
            x = stage(x)
        return self.head(self.norm(x))


def build(architecture: str, num_classes: int, size: int) -> Swin:
    """The network of a variant without its weights, for images whose side is a multiple of 224.

    Raises:
        ValueError: for another size.
    """
    if size % STEP:
        raise ValueError(f"{architecture} needs a multiple of {STEP} pixels a side, not {size}")
    return Swin(VARIANTS[architecture], num_classes, size)


_NAMES = {
    r"features\.0\.0\.(.+)": r"patch_embed.proj.\1",
    r"features\.0\.2\.(.+)": r"patch_embed.norm.\1",
    r"head\.(weight|bias)": r"head.fc.\1",
}


def rename(architecture: str, key: str) -> str:
    """Timm's key for a key of torchvision, where stages and the layers between them alternate."""
    if outside := by_pattern(_NAMES, key):
        return outside
    match = re.fullmatch(r"features\.(\d)\.(.+)", key)
    if match is None:
        return key
    number, rest = int(match[1]), match[2]
    if number % 2 == 0:
        return f"layers.{number // 2}.downsample.{rest}"
    rest = rest.replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.3.", ".mlp.fc2.")
    return f"layers.{number // 2}.blocks.{rest}"


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="head.fc.weight",
    namings=(Naming("torchvision", rename),),
    left_out=("*.relative_position_index", "*.attn_mask"),
)
