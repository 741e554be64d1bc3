"""DenseNet 121, 169 and 201.

Source: Huang et al., "Densely Connected Convolutional Networks", CVPR 2017; names and defaults
are timm's.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.nn import relu

from jaxanon.classifiers.family import Family, Naming, Weights
from jaxanon.classifiers.layers.basic import Conv, Linear, Pointwise
from jaxanon.classifiers.layers.norms import Affine, BatchNorm
from jaxanon.classifiers.ops.conv_pool import average_pool, max_pool

EPS = 1e-5
STEM, GROWTH, BOTTLENECK = 64, 32, 128


class DenseNetVariant(NamedTuple):
    """A variant of DenseNet.

    Attributes:
        weights: the default weights.
        layers: layers per dense block.
    """

    weights: Weights
    layers: tuple[int, int, int, int]


VARIANTS = {
    "densenet121": DenseNetVariant(Weights("ra_in1k"), (6, 12, 24, 16)),
    "densenet169": DenseNetVariant(Weights("tv_in1k"), (6, 12, 32, 32)),
    "densenet201": DenseNetVariant(Weights("tv_in1k"), (6, 12, 48, 32)),
}


class DenseLayer(nnx.Module):
    """A layer of a dense block: computes the channels that it adds to its input."""

    def __init__(self, in_channels: int) -> None:
        self.norm1 = Affine(in_channels, EPS)
        self.conv1 = Pointwise(in_channels, BOTTLENECK, norm=BatchNorm("norm2", EPS))
        self.conv2 = Conv(BOTTLENECK, GROWTH, 3, padding=1, bias=False)

    def __call__(self, x: Array) -> Array:
        return self.conv2(relu(self.conv1(relu(self.norm1(x)))))


class Transition(nnx.Module):
    """Between two dense blocks: half the channels and half the side."""

    def __init__(self, in_channels: int) -> None:
        self.norm = Affine(in_channels, EPS)
        self.conv = Pointwise(in_channels, in_channels // 2, bias=False)

    def __call__(self, x: Array) -> Array:
        # Pooling and a 1x1 convolution commute; this order has a quarter of the work.
        return self.conv(average_pool(relu(self.norm(x)), 2, 2))


class DenseNet(nnx.Module):
    """Normalised images `(batch, height, width, 3)` -> logits `(batch, classes)`."""

    def __init__(self, layers: tuple[int, ...], num_classes: int) -> None:
        self.layers = layers
        features: dict[str, Any] = {
            "conv0": Conv(3, STEM, 7, stride=2, padding=3, norm=BatchNorm("norm0", EPS))
        }
        channels = STEM
        for i, count in enumerate(layers):
            block = {}
            for j in range(count):
                block[f"denselayer{j + 1}"] = DenseLayer(channels)
                channels += GROWTH
            features[f"denseblock{i + 1}"] = nnx.Dict(block)
            if i < len(layers) - 1:
                features[f"transition{i + 1}"] = Transition(channels)
                channels //= 2
        features["norm5"] = Affine(channels, EPS)
        self.features = nnx.Dict(features)
        self.classifier = Linear(channels, num_classes)

    def __call__(self, x: Array) -> Array:
        net = self.features
        x = relu(max_pool(net["conv0"](x), 3, 2, padding=1))  # the same in either order
        for i, count in enumerate(self.layers):
            block = net[f"denseblock{i + 1}"]
            for j in range(count):
                x = jnp.concatenate([x, block[f"denselayer{j + 1}"](x)], axis=3)
            if i < len(self.layers) - 1:
                x = net[f"transition{i + 1}"](x)
        return self.classifier(relu(net["norm5"](x)).mean((1, 2)))


def build(architecture: str, num_classes: int, size: int) -> DenseNet:
    """The network of a variant without its weights, for images of any size."""
    return DenseNet(VARIANTS[architecture].layers, num_classes)


def rename(architecture: str, key: str) -> str:
    """Timm's key (`norm1`) for a key of torchvision's older files (`denselayer1.norm.1`)."""
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", key)


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="classifier.weight",
    namings=(Naming("torchvision, before 2018", rename),),
)
