"""Networks of inverted residual blocks: what the MobileNet and EfficientNet families share.

Source: Sandler et al., "MobileNetV2", CVPR 2018 (the block); Hu et al., "Squeeze-and-Excitation
Networks", CVPR 2018. Attribute names and channel rounding are timm's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from flax import nnx
from jax import Array

from jaxanon.classifiers.layers.basic import Conv, Depthwise, Linear, Pointwise
from jaxanon.classifiers.layers.norms import BatchNorm
from jaxanon.classifiers.ops.windows import Padding

Activation = Callable[[Array], Array]


class Squeeze(NamedTuple):
    """How squeeze-and-excitation blocks are made.

    Attributes:
        width: (input channels of the block, hidden channels) -> channels of the bottleneck.
        act: activation of the bottleneck.
        gate: activation of the output, by which channels are scaled.
    """

    width: Callable[[int, int], int]
    act: Activation
    gate: Activation


class Style(NamedTuple):
    """What all layers of a network of inverted residuals share.

    Attributes:
        act: the activation function.
        eps: epsilon of the batch norms.
        same: whether convolutions pad as TensorFlow does, instead of PyTorch.
        squeeze: form of the squeeze-and-excitation blocks; None where there are none.
    """

    act: Activation
    eps: float
    same: bool = False
    squeeze: Squeeze | None = None

    def padding(self, kernel: int) -> Padding:
        """The padding of a convolution whose kernel has `kernel` pixels a side."""
        return "same" if self.same else kernel // 2


class Group(NamedTuple):
    """A run of equal blocks in a network of inverted residuals.

    Attributes:
        blocks: number of blocks.
        kernel: side of the depthwise kernel, in pixels.
        stride: stride of the first block; the others have 1.
        expand: hidden channels over input channels; 1 is a depthwise separable block without
            expansion.
        channels: output channels.
        squeeze: whether the blocks have squeeze-and-excitation.
        act: activation of the blocks, where it is not the network's.
    """

    blocks: int
    kernel: int
    stride: int
    expand: float
    channels: int
    squeeze: bool = False
    act: Activation | None = None


Stages = Sequence[Sequence[Group]]


def round_channels(channels: float) -> int:
    """The multiple of 8 that is nearest to a number of channels, but not more than 10 % below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def scale(stages: Stages, width: float, depth: float = 1.0, *, fixed_ends: bool = False) -> Stages:
    """The stages of a wider or deeper variant.

    Args:
        stages: stages of the base network; with a depth other than 1, one group per stage.
        width: factor on channels, which are then rounded.
        depth: factor on the number of blocks, which is rounded up.
        fixed_ends: whether the first and the last stage keep their length.
    """
    last = len(stages) - 1
    return [
        [
            group._replace(
                channels=round_channels(group.channels * width),
                blocks=group.blocks
                if fixed_ends and i in (0, last)
                else math.ceil(group.blocks * depth),
            )
            for group in stage
        ]
        for i, stage in enumerate(stages)
    ]


class SqueezeExcite(nnx.Module):
    """Squeeze-and-excitation: scale the channels by a gate computed from their means."""

    def __init__(self, in_channels: int, channels: int, squeeze: Squeeze) -> None:
        self.act, self.gate = squeeze.act, squeeze.gate
        bottleneck = squeeze.width(in_channels, channels)
        self.conv_reduce = Pointwise(channels, bottleneck)
        self.conv_expand = Pointwise(bottleneck, channels)

    def __call__(self, x: Array) -> Array:
        means = x.mean((1, 2), keepdims=True)
        return x * self.gate(self.conv_expand(self.act(self.conv_reduce(means))))


class InvertedResidual(nnx.Module):
    """An inverted residual block: expansion (unless 1), depthwise and pointwise convolution.

    The input is added to the output where both have the same shape.
    """

    def __init__(self, in_channels: int, group: Group, stride: int, style: Style) -> None:
        kernel, out_channels, eps = group.kernel, group.channels, style.eps
        self.expanded = group.expand != 1
        self.residual = stride == 1 and in_channels == out_channels
        self.act = group.act or style.act
        hidden = round_channels(in_channels * group.expand) if self.expanded else in_channels
        if self.expanded:
            self.conv_pw = Pointwise(in_channels, hidden, norm=BatchNorm("bn1", eps))
            self.conv_pwl = Pointwise(hidden, out_channels, norm=BatchNorm("bn3", eps))
        else:
            self.conv_pw = Pointwise(in_channels, out_channels, norm=BatchNorm("bn2", eps))
        self.conv_dw = Depthwise(
            hidden,
            kernel,
            stride=stride,
            padding=style.padding(kernel),
            norm=BatchNorm("bn2" if self.expanded else "bn1", eps),
        )
        squeeze = style.squeeze if group.squeeze else None
        self.se = None if squeeze is None else SqueezeExcite(in_channels, hidden, squeeze)

    def __call__(self, x: Array) -> Array:
        y = self.act(self.conv_dw(self.act(self.conv_pw(x)) if self.expanded else x))
        if self.se is not None:
            y = self.se(y)
        y = self.conv_pwl(y) if self.expanded else self.conv_pw(y)
        return x + y if self.residual else y


class Last(nnx.Module):
    """The pointwise convolution that MobileNetV3 has for a last stage."""

    def __init__(self, in_channels: int, out_channels: int, style: Style) -> None:
        self.act = style.act
        self.conv = Pointwise(in_channels, out_channels, norm=BatchNorm("bn1", style.eps))

    def __call__(self, x: Array) -> Array:
        return self.act(self.conv(x))


class InvertedResiduals(nnx.Module):
    """Normalised images `(batch, height, width, 3)` -> logits `(batch, classes)`.

    Args:
        stages: groups of blocks by stage, as `scale` gives them.
        stem: channels of the first convolution.
        features: channels before the head.
        num_classes: number of classes.
        style: what all layers share.
        last: channels of MobileNetV3's last stage, or None for a network without; with it, the
            features are computed after the pooling, without batch norm.
    """

    def __init__(
        self,
        stages: Stages,
        stem: int,
        features: int,
        num_classes: int,
        style: Style,
        last: int | None = None,
    ) -> None:
        self.act = style.act
        self.pool_first = last is not None
        self.conv_stem = Conv(
            3, stem, 3, stride=2, padding=style.padding(3), norm=BatchNorm("bn1", style.eps)
        )
        in_channels, blocks = stem, []
        for stage in stages:
            row: list[nnx.Module] = []
            for group in stage:
                for i in range(group.blocks):
                    row.append(
                        InvertedResidual(in_channels, group, group.stride if i == 0 else 1, style)
                    )
                    in_channels = group.channels
            blocks.append(nnx.List(row))
        if last is not None:
            blocks.append(nnx.List([Last(in_channels, last, style)]))
            in_channels = last
        self.blocks = nnx.List(blocks)
        norm = None if self.pool_first else BatchNorm("bn2", style.eps)
        self.conv_head = Pointwise(in_channels, features, norm=norm)
        self.classifier = Linear(features, num_classes)

    def __call__(self, x: Array) -> Array:
        x = self.act(self.conv_stem(x))
        for stage in self.blocks:
            for block in stage:
                x = block(x)
        if self.pool_first:
            x = x.mean((1, 2), keepdims=True)
        x = self.act(self.conv_head(x))
        return self.classifier(x.mean((1, 2)))
