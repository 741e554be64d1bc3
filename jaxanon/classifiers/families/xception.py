"""Aligned Xception 41, 65 and 71.

Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017, in the
aligned form of Chen et al., "Encoder-Decoder with Atrous Separable Convolution", ECCV 2018.
Names and defaults are timm's.
"""

from __future__ import annotations

from typing import NamedTuple

from flax import nnx
from jax import Array
from jax.nn import relu

from jaxanon.classifiers.family import INCEPTION_MEAN, INCEPTION_STD, Family, Weights
from jaxanon.classifiers.layers.basic import Conv, Depthwise, Head, Pointwise
from jaxanon.classifiers.layers.norms import BatchNorm

EPS = 1e-3
ENTRY = ((128, 2), (256, 2), (728, 2))
LONG_ENTRY = ((128, 2), (256, 1), (256, 2), (728, 1), (728, 2))


class XceptionVariant(NamedTuple):
    """A variant of aligned Xception.

    Attributes:
        weights: the default weights.
        entry: (channels, stride) of each block of the entry flow.
        middle: number of blocks of the middle flow.
    """

    weights: Weights
    entry: tuple[tuple[int, int], ...]
    middle: int


VARIANTS = {
    "xception41": XceptionVariant(
        Weights("tf_in1k", 299, 0.903, mean=INCEPTION_MEAN, std=INCEPTION_STD), ENTRY, 8
    ),
    "xception65": XceptionVariant(
        Weights("ra3_in1k", 299, 0.94, mean=INCEPTION_MEAN, std=INCEPTION_STD), ENTRY, 16
    ),
    "xception71": XceptionVariant(
        Weights("tf_in1k", 299, 0.903, mean=INCEPTION_MEAN, std=INCEPTION_STD), LONG_ENTRY, 16
    ),
}


class XceptionConv(nnx.Module):
    """A convolution and its batch norm, `bn`."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int) -> None:
        norm = BatchNorm("bn", EPS)
        if kernel_size == 1:
            self.conv: Conv | Pointwise = Pointwise(
                in_channels, out_channels, stride=stride, norm=norm
            )
        else:
            self.conv = Conv(
                in_channels, out_channels, kernel_size, stride=stride, padding=1, norm=norm
            )

    def __call__(self, x: Array) -> Array:
        return self.conv(x)


class Separable(nnx.Module):
    """A separable convolution: depthwise 3x3 and pointwise, each followed by ReLU if `act`."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, act: bool) -> None:
        self.act = act
        self.conv_dw = Depthwise(
            in_channels, 3, stride=stride, padding=1, norm=BatchNorm("bn_dw", EPS)
        )
        self.conv_pw = Pointwise(in_channels, out_channels, norm=BatchNorm("bn_pw", EPS))

    def __call__(self, x: Array) -> Array:
        if self.act:
            return relu(self.conv_pw(relu(self.conv_dw(x))))
        return self.conv_pw(self.conv_dw(x))


class XceptionBlock(nnx.Module):
    """Xception's block: three separable convolutions with ReLU, and a shortcut unless `last`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: tuple[int, int, int],
        stride: int,
        *,
        last: bool = False,
    ) -> None:
        self.last = last
        projected = not last and (stride > 1 or in_channels != out_channels[-1])
        self.shortcut = (
            XceptionConv(in_channels, out_channels[-1], 1, stride) if projected else None
        )
        stack = {}
        for i, channels in enumerate(out_channels):
            stack[f"conv{i + 1}"] = Separable(
                in_channels, channels, stride if i == len(out_channels) - 1 else 1, act=last
            )
            in_channels = channels
        self.stack = nnx.Dict(stack)

    def __call__(self, x: Array) -> Array:
        y = x
        for i in range(len(self.stack)):
            y = self.stack[f"conv{i + 1}"](y if self.last else relu(y))
        if self.last:
            return y
        return y + (x if self.shortcut is None else self.shortcut(x))


class Xception(nnx.Module):
    """Normalised images `(batch, height, width, 3)` -> logits `(batch, classes)`."""

    def __init__(self, variant: XceptionVariant, num_classes: int) -> None:
        self.stem = nnx.List([XceptionConv(3, 32, 3, 2), XceptionConv(32, 64, 3, 1)])
        blocks, in_channels = [], 64
        for channels, stride in (*variant.entry, *((728, 1),) * variant.middle):
            blocks.append(XceptionBlock(in_channels, (channels,) * 3, stride))
            in_channels = channels
        blocks.append(XceptionBlock(in_channels, (728, 1024, 1024), 2))
        blocks.append(XceptionBlock(1024, (1536, 1536, 2048), 1, last=True))
        self.blocks = nnx.List(blocks)
        self.head = Head(2048, num_classes)

    def __call__(self, x: Array) -> Array:
        for unit in self.stem:
            x = relu(unit(x))
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def build(architecture: str, num_classes: int, size: int) -> Xception:
    """The network of a variant without its weights, for images of any size."""
    return Xception(VARIANTS[architecture], num_classes)


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="head.fc.weight",
)
