"""ConvNeXt tiny and small.

Source: Liu et al., "A ConvNet for the 2020s", CVPR 2022; names and defaults are timm's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from flax import nnx
from jax import Array

from jaxanon.classifiers.family import Family, Naming, Weights
from jaxanon.classifiers.layers.basic import Conv, Depthwise, Linear
from jaxanon.classifiers.layers.leaf import Parameter
from jaxanon.classifiers.layers.norms import LayerNorm
from jaxanon.classifiers.layers.transformer import Mlp

EPS = 1e-6
WIDTHS = (96, 192, 384, 768)


class ConvNextVariant(NamedTuple):
    """A variant of ConvNeXt.

    Attributes:
        weights: the default weights.
        blocks: blocks per stage.
    """

    weights: Weights
    blocks: tuple[int, int, int, int]


VARIANTS = {
    "convnext_tiny": ConvNextVariant(Weights("in12k_ft_in1k", crop_pct=0.95), (3, 3, 9, 3)),
    "convnext_small": ConvNextVariant(Weights("in12k_ft_in1k", crop_pct=0.95), (3, 3, 27, 3)),
}


class ConvNextBlock(nnx.Module):
    """ConvNeXt's block: 7x7 depthwise convolution, then a perceptron per pixel, scaled."""

    def __init__(self, channels: int) -> None:
        self.conv_dw = Depthwise(channels, 7, padding=3)
        self.norm = LayerNorm(channels, EPS)
        self.mlp = Mlp(channels, 4 * channels)
        self.gamma = Parameter(channels)

    def __call__(self, x: Array) -> Array:
        return x + self.mlp(self.norm(self.conv_dw(x))) * self.gamma()[None, None, None]


class ConvNextStage(nnx.Module):
    """ConvNeXt's stage: half the side (not in the first stage), then blocks."""

    def __init__(self, in_channels: int, channels: int, blocks: int) -> None:
        halving = [LayerNorm(in_channels, EPS), Conv(in_channels, channels, 2, stride=2)]
        self.downsample = nnx.List(halving) if in_channels != channels else None
        self.blocks = nnx.List([ConvNextBlock(channels) for _ in range(blocks)])

    def __call__(self, x: Array) -> Array:
        for layer in (*(self.downsample or ()), *self.blocks):
            x = layer(x)
        return x


class ConvNextHead(nnx.Module):
    """ConvNeXt's end: mean over the image, norm, and a fully connected layer."""

    def __init__(self, channels: int, num_classes: int) -> None:
        self.norm = LayerNorm(channels, EPS)
        self.fc = Linear(channels, num_classes)

    def __call__(self, x: Array) -> Array:
        return self.fc(self.norm(x.mean((1, 2))))


class ConvNext(nnx.Module):
    """Normalised images `(batch, height, width, 3)` -> logits `(batch, classes)`."""

    def __init__(self, blocks: tuple[int, ...], num_classes: int) -> None:
        self.stem = nnx.List([Conv(3, WIDTHS[0], 4, stride=4), LayerNorm(WIDTHS[0], EPS)])
        before = (WIDTHS[0], *WIDTHS)
        self.stages = nnx.List(
            [ConvNextStage(before[i], width, blocks[i]) for i, width in enumerate(WIDTHS)]
        )
        self.head = ConvNextHead(WIDTHS[-1], num_classes)

    def __call__(self, x: Array) -> Array:
        for part in (*self.stem, *self.stages):
            x = part(x)
        return self.head(x)


def build(architecture: str, num_classes: int, size: int) -> ConvNext:
    """The network of a variant without its weights, for images of any size."""
    return ConvNext(VARIANTS[architecture].blocks, num_classes)


_PARTS = {
    "layer_scale": "gamma",
    "block.0": "conv_dw",
    "block.2": "norm",
    "block.3": "mlp.fc1",
    "block.5": "mlp.fc2",
}


def rename(architecture: str, key: str) -> str:
    """Timm's key for a key of torchvision, where stages and the layers between them alternate."""
    for theirs, timms in (("classifier.0", "head.norm"), ("classifier.2", "head.fc")):
        key = key.replace(theirs, timms)
    match = re.fullmatch(r"features\.(\d)\.(\d+)\.(.+)", key)
    if match is None:
        return key
    number, at, rest = int(match[1]), match[2], match[3]
    if number == 0:
        return f"stem.{at}.{rest}"
    if number % 2 == 0:
        return f"stages.{number // 2}.downsample.{at}.{rest}"
    for theirs, timms in _PARTS.items():
        if rest == theirs or rest.startswith(theirs + "."):
            return f"stages.{number // 2}.blocks.{at}.{timms}{rest.removeprefix(theirs)}"
    return key


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="head.fc.weight",
    namings=(Naming("torchvision", rename),),
)
