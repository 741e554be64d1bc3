"""Vision transformers with patches of 16 pixels: ViT and DeiT (without distillation).

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021; Touvron et al., "Training
data-efficient image transformers", ICML 2021. Names and defaults are timm's.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx
from jax import Array

from jaxanon.classifiers.family import INCEPTION_MEAN, INCEPTION_STD, Family, Naming, Weights
from jaxanon.classifiers.layers.basic import Conv, Linear
from jaxanon.classifiers.layers.leaf import Parameter
from jaxanon.classifiers.layers.norms import LayerNorm
from jaxanon.classifiers.layers.transformer import Mlp, attend
from jaxanon.classifiers.weights.naming import by_pattern

EPS = 1e-6
PATCH, DEPTH, HEAD_WIDTH = 16, 12, 64


class VitVariant(NamedTuple):
    """A variant of ViT or DeiT.

    Attributes:
        weights: the default weights.
        channels: channels of a token; each head of the attention has 64 of them.
    """

    weights: Weights
    channels: int


_AUGREG = Weights("augreg_in21k_ft_in1k", crop_pct=0.9, mean=INCEPTION_MEAN, std=INCEPTION_STD)
_AUGREG2 = Weights("augreg2_in21k_ft_in1k", crop_pct=0.9, mean=INCEPTION_MEAN, std=INCEPTION_STD)
_DEIT = Weights("fb_in1k", crop_pct=0.9)
VARIANTS = {
    "vit_tiny_patch16_224": VitVariant(_AUGREG, 192),
    "vit_small_patch16_224": VitVariant(_AUGREG, 384),
    "vit_base_patch16_224": VitVariant(_AUGREG2, 768),
    "deit_tiny_patch16_224": VitVariant(_DEIT, 192),
    "deit_small_patch16_224": VitVariant(_DEIT, 384),
    "deit_base_patch16_224": VitVariant(_DEIT, 768),
}


class VitPatchEmbed(nnx.Module):
    """Patches to tokens: `(batch, h, w, 3)` -> `(batch, h / 16 * w / 16, channels)`."""

    def __init__(self, channels: int) -> None:
        self.proj = Conv(3, channels, PATCH, stride=PATCH)

    def __call__(self, x: Array) -> Array:
        y = self.proj(x)
        return y.reshape(y.shape[0], -1, y.shape[3])


class Attention(nnx.Module):
    """Multi-head self-attention."""

    def __init__(self, channels: int) -> None:
        self.heads = channels // HEAD_WIDTH
        self.qkv = Linear(channels, 3 * channels)
        self.proj = Linear(channels, channels)

    def __call__(self, x: Array) -> Array:
        return self.proj(attend(self.qkv(x), self.heads))


class VitBlock(nnx.Module):
    """A block of a transformer: attention and perceptron, each after a norm, with a residual."""

    def __init__(self, channels: int) -> None:
        self.norm1 = LayerNorm(channels, EPS)
        self.attn = Attention(channels)
        self.norm2 = LayerNorm(channels, EPS)
        self.mlp = Mlp(channels, 4 * channels)

    def __call__(self, x: Array) -> Array:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nnx.Module):
    """Normalised images `(batch, size, size, 3)` -> logits `(batch, classes)`."""

    def __init__(self, channels: int, num_classes: int, size: int) -> None:
        self.cls_token = Parameter(1, 1, channels)
        self.pos_embed = Parameter(1, (size // PATCH) ** 2 + 1, channels)
        self.patch_embed = VitPatchEmbed(channels)
        self.blocks = nnx.List([VitBlock(channels) for _ in range(DEPTH)])
        self.norm = LayerNorm(channels, EPS)
        self.head = Linear(channels, num_classes)

    def __call__(self, x: Array) -> Array:
        tokens = self.patch_embed(x)
        first = jnp.broadcast_to(self.cls_token(), (x.shape[0], 1, tokens.shape[2]))
        x = jnp.concatenate([first, tokens], axis=1)
        x = x + jnp.broadcast_to(self.pos_embed(), x.shape)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, 0]))


def build(architecture: str, num_classes: int, size: int) -> VisionTransformer:
    """The network of a variant without its weights; its position embedding is for one size.

    Raises:
        ValueError: when the size is not a multiple of 16.
    """
    if size % PATCH:
        raise ValueError(f"{architecture} needs a multiple of {PATCH} pixels a side, not {size}")
    return VisionTransformer(VARIANTS[architecture].channels, num_classes, size)


_BLOCK = r"encoder\.layers\.encoder_layer_(\d+)\."
_NAMES = {
    r"class_token": "cls_token",
    r"encoder\.pos_embedding": "pos_embed",
    r"conv_proj\.(.+)": r"patch_embed.proj.\1",
    r"encoder\.ln\.(.+)": r"norm.\1",
    r"heads\.head\.(.+)": r"head.\1",
    _BLOCK + r"ln_([12])\.(.+)": r"blocks.\1.norm\2.\3",
    _BLOCK + r"self_attention\.in_proj_(.+)": r"blocks.\1.attn.qkv.\2",
    _BLOCK + r"self_attention\.out_proj\.(.+)": r"blocks.\1.attn.proj.\2",
    _BLOCK + r"mlp\.0\.(.+)": r"blocks.\1.mlp.fc1.\2",
    _BLOCK + r"mlp\.3\.(.+)": r"blocks.\1.mlp.fc2.\2",
}


def rename(architecture: str, key: str) -> str:
    """Timm's key for a key of torchvision."""
    return by_pattern(_NAMES, key) or key


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="head.weight",
    pool="token",
    namings=(Naming("torchvision", rename),),
)
