"""EfficientNet B0 to B3, as trained in PyTorch and as converted from TensorFlow (`tf_`).

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019; defaults are timm's. The `tf_` forms keep TensorFlow's padding and epsilon.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jax.nn import sigmoid, silu

from jaxanon.classifiers.family import INCEPTION_MEAN, INCEPTION_STD, Family, Naming, Weights
from jaxanon.classifiers.layers.inverted_residual import (
    Group,
    InvertedResiduals,
    Squeeze,
    Style,
    round_channels,
    scale,
)
from jaxanon.classifiers.layers.inverted_residual_names import (
    BlockPlace,
    replaced,
    top,
    torchvision_parts,
    torchvision_top,
)


class EfficientNetVariant(NamedTuple):
    """A variant of EfficientNet.

    Attributes:
        weights: the default weights.
        width: factor on channels.
        depth: factor on the number of blocks.
    """

    weights: Weights
    width: float
    depth: float


VARIANTS = {
    "efficientnet_b0": EfficientNetVariant(Weights("ra_in1k"), 1.0, 1.0),
    "efficientnet_b1": EfficientNetVariant(
        Weights("ra4_e3600_r240_in1k", 240, 0.9, mean=INCEPTION_MEAN, std=INCEPTION_STD), 1.0, 1.1
    ),
    "efficientnet_b2": EfficientNetVariant(Weights("ra_in1k", 256), 1.1, 1.2),
    "efficientnet_b3": EfficientNetVariant(Weights("ra2_in1k", 288), 1.2, 1.4),
    "tf_efficientnet_b0": EfficientNetVariant(Weights("ns_jft_in1k"), 1.0, 1.0),
    "tf_efficientnet_b1": EfficientNetVariant(Weights("ns_jft_in1k", 240, 0.882), 1.0, 1.1),
    "tf_efficientnet_b2": EfficientNetVariant(Weights("ns_jft_in1k", 260, 0.89), 1.1, 1.2),
    "tf_efficientnet_b3": EfficientNetVariant(Weights("ns_jft_in1k", 300, 0.904), 1.2, 1.4),
}
BASE = (
    (Group(1, 3, 1, 1, 16, True),),
    (Group(2, 3, 2, 6, 24, True),),
    (Group(2, 5, 2, 6, 40, True),),
    (Group(3, 3, 2, 6, 80, True),),
    (Group(3, 5, 1, 6, 112, True),),
    (Group(4, 5, 2, 6, 192, True),),
    (Group(1, 3, 1, 6, 320, True),),
)


def _bottleneck(in_channels: int, hidden: int) -> int:
    return in_channels // 4


SQUEEZE = Squeeze(_bottleneck, silu, sigmoid)
TORCH = Style(silu, eps=1e-5, squeeze=SQUEEZE)
TENSORFLOW = Style(silu, eps=1e-3, same=True, squeeze=SQUEEZE)


def build(architecture: str, num_classes: int, size: int) -> InvertedResiduals:
    """The network of a variant without its weights, for images of any size."""
    _, width, depth = VARIANTS[architecture]
    return InvertedResiduals(
        scale(BASE, width, depth),
        stem=round_channels(32 * width),
        features=round_channels(1280 * width),
        num_classes=num_classes,
        style=TENSORFLOW if architecture.startswith("tf_") else TORCH,
    )


def rename(architecture: str, key: str) -> str:
    """Timm's key for a key of torchvision."""
    block = re.fullmatch(r"features\.([1-7])\.(\d+)\.(block\..+)", key)
    if block is None:
        return top(key, torchvision_top(8))
    stage = int(block[1]) - 1
    place = BlockPlace(stage, int(block[2]), BASE[stage][0])
    return replaced(key, place, torchvision_parts(place.group), block[3])


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="classifier.weight",
    namings=(Naming("torchvision", rename),),
)
