"""ResNet 18 to 152, plain and with the `d` stem.

Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride in
the 3x3 convolution; the `d` form (three 3x3 convolutions for a stem, average pooling in the
shortcuts) is that of He et al., "Bag of Tricks for Image Classification", CVPR 2019.
Names and defaults are timm's.
"""

from __future__ import annotations

from typing import NamedTuple

from flax import nnx
from jax import Array

from jaxanon.classifiers.family import Family, Weights
from jaxanon.classifiers.layers.activations import relu
from jaxanon.classifiers.layers.basic import Conv, Linear, Pointwise
from jaxanon.classifiers.layers.norms import BatchNorm
from jaxanon.classifiers.ops.conv_pool import halve, max_pool

EPS = 1e-5
WIDTHS = (64, 128, 256, 512)


class ResNetVariant(NamedTuple):
    """A variant of ResNet.

    Attributes:
        weights: the default weights.
        blocks: blocks per stage.
        bottleneck: whether blocks are bottlenecks, with four times as many output channels.
        deep: whether the network has the `d` stem and shortcuts.
    """

    weights: Weights
    blocks: tuple[int, int, int, int]
    bottleneck: bool
    deep: bool = False


_18, _26, _34, _50, _101, _152 = (
    (2, 2, 2, 2),
    (2, 2, 2, 2),
    (3, 4, 6, 3),
    (3, 4, 6, 3),
    (3, 4, 23, 3),
    (3, 8, 36, 3),
)
VARIANTS = {
    "resnet18": ResNetVariant(Weights("a1_in1k", crop_pct=0.95), _18, False),
    "resnet26": ResNetVariant(Weights("bt_in1k"), _26, True),
    "resnet34": ResNetVariant(Weights("a1_in1k", crop_pct=0.95), _34, False),
    "resnet50": ResNetVariant(Weights("a1_in1k", crop_pct=0.95), _50, True),
    "resnet101": ResNetVariant(Weights("a1h_in1k", crop_pct=0.95), _101, True),
    "resnet152": ResNetVariant(Weights("a1h_in1k", crop_pct=0.95), _152, True),
    "resnet18d": ResNetVariant(Weights("ra2_in1k"), _18, False, True),
    "resnet26d": ResNetVariant(Weights("bt_in1k"), _26, True, True),
    "resnet34d": ResNetVariant(Weights("ra2_in1k"), _34, False, True),
    "resnet50d": ResNetVariant(Weights("ra2_in1k"), _50, True, True),
    "resnet101d": ResNetVariant(Weights("ra2_in1k", 256, 0.95), _101, True, True),
    "resnet152d": ResNetVariant(Weights("ra2_in1k", 256, 0.95), _152, True, True),
}


class ResNetBlock(nnx.Module):
    """ResNet's block: two 3x3 convolutions, or a bottleneck of three, and a shortcut."""

    def __init__(
        self, in_channels: int, width: int, stride: int, *, bottleneck: bool, deep: bool
    ) -> None:
        self.pooled = deep and stride > 1
        out_channels = width * 4 if bottleneck else width
        first, second, third = (BatchNorm(f"bn{i}", EPS) for i in (1, 2, 3))
        if bottleneck:
            self.conv1: Conv | Pointwise = Pointwise(in_channels, width, norm=first, fused=True)
            self.conv2 = Conv(width, width, 3, stride=stride, padding=1, norm=second)
        else:
            self.conv1 = Conv(in_channels, width, 3, stride=stride, padding=1, norm=first)
            self.conv2 = Conv(width, width, 3, padding=1, norm=second)
        self.conv3 = Pointwise(width, out_channels, norm=third, fused=True) if bottleneck else None
        at, norm = ("1", "2") if deep else ("0", "1")
        step = 1 if deep else stride
        shortcut = {
            at: Pointwise(
                in_channels, out_channels, stride=step, norm=BatchNorm(norm, EPS), fused=True
            )
        }
        changes = stride > 1 or in_channels != out_channels
        self.downsample = nnx.Dict(shortcut) if changes else None

    def __call__(self, x: Array) -> Array:
        y = self.conv2(relu(self.conv1(x)))
        if self.conv3 is not None:
            y = self.conv3(relu(y))
        if self.downsample is not None:
            x = halve(x) if self.pooled else x
            for layer in self.downsample.values():
                x = layer(x)
        return relu(x + y)


class ResNet(nnx.Module):
    """Normalised images `(batch, height, width, 3)` -> logits `(batch, classes)`."""

    def __init__(self, variant: ResNetVariant, num_classes: int) -> None:
        _, blocks, bottleneck, deep = variant
        norm = BatchNorm("bn1", EPS)
        if deep:
            self.conv1: Conv | nnx.Dict[Conv] = nnx.Dict(
                {
                    "0": Conv(3, 32, 3, stride=2, padding=1, norm=BatchNorm("1", EPS)),
                    "3": Conv(32, 32, 3, padding=1, norm=BatchNorm("4", EPS)),
                    "6": Conv(32, 64, 3, padding=1, norm=BatchNorm("../bn1", EPS)),
                }
            )
        else:
            self.conv1 = Conv(3, 64, 7, stride=2, padding=3, norm=norm)
        in_channels = 64
        for i, (width, count) in enumerate(zip(WIDTHS, blocks, strict=True)):
            stage = []
            for j in range(count):
                stride = 2 if i > 0 and j == 0 else 1
                stage.append(
                    ResNetBlock(in_channels, width, stride, bottleneck=bottleneck, deep=deep)
                )
                in_channels = width * 4 if bottleneck else width
            setattr(self, f"layer{i + 1}", nnx.List(stage))
        self.fc = Linear(in_channels, num_classes)

    def __call__(self, x: Array) -> Array:
        first, *deep = self.conv1.values() if isinstance(self.conv1, nnx.Dict) else (self.conv1,)
        x = first(x)
        for conv in deep:
            x = conv(relu(x))
        x = relu(max_pool(x, 3, 2, padding=1))  # in either order the same; so it is less work
        for i in range(len(WIDTHS)):
            for block in getattr(self, f"layer{i + 1}"):
                x = block(x)
        return self.fc(x.mean((1, 2)))


def build(architecture: str, num_classes: int, size: int) -> ResNet:
    """The network of a variant without its weights, for images of any size."""
    return ResNet(VARIANTS[architecture], num_classes)


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="fc.weight",
)
