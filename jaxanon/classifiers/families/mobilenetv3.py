"""MobileNetV3, large and small.

Source: Howard et al., "Searching for MobileNetV3", ICCV 2019; defaults are timm's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jax.nn import hard_sigmoid, hard_swish, relu

from jaxanon.classifiers.family import Family, Naming, Weights
from jaxanon.classifiers.layers.inverted_residual import (
    Group,
    InvertedResiduals,
    Squeeze,
    Stages,
    Style,
    round_channels,
    scale,
)
from jaxanon.classifiers.layers.inverted_residual_names import (
    numbered,
    replaced,
    top,
    torchvision_parts,
)

SMALL: Stages = (
    (Group(1, 3, 2, 1, 16, True, relu),),
    (Group(1, 3, 2, 4.5, 24, False, relu), Group(1, 3, 1, 3.67, 24, False, relu)),
    (Group(1, 5, 2, 4, 40, True), Group(2, 5, 1, 6, 40, True)),
    (Group(2, 5, 1, 3, 48, True),),
    (Group(3, 5, 2, 6, 96, True),),
)
LARGE: Stages = (
    (Group(1, 3, 1, 1, 16, False, relu),),
    (Group(1, 3, 2, 4, 24, False, relu), Group(1, 3, 1, 3, 24, False, relu)),
    (Group(3, 5, 2, 3, 40, True, relu),),
    (Group(1, 3, 2, 6, 80), Group(1, 3, 1, 2.5, 80), Group(2, 3, 1, 2.3, 80)),
    (Group(2, 3, 1, 6, 112, True),),
    (Group(3, 5, 2, 6, 160, True),),
)
STEM = 16


class MobileNetV3Variant(NamedTuple):
    """A variant of MobileNetV3.

    Attributes:
        weights: the default weights.
        stages: groups of blocks by stage, before `width` is applied.
        width: factor on channels.
        last: channels of the last stage, before `width` is applied.
        features: channels before the head.
    """

    weights: Weights
    stages: Stages
    width: float
    last: int
    features: int


VARIANTS = {
    "mobilenetv3_small_050": MobileNetV3Variant(Weights("lamb_in1k"), SMALL, 0.5, 576, 1024),
    "mobilenetv3_small_075": MobileNetV3Variant(Weights("lamb_in1k"), SMALL, 0.75, 576, 1024),
    "mobilenetv3_small_100": MobileNetV3Variant(Weights("lamb_in1k"), SMALL, 1.0, 576, 1024),
    "mobilenetv3_large_075": MobileNetV3Variant(
        Weights(None, interpolation="bilinear"), LARGE, 0.75, 960, 1280
    ),
    "mobilenetv3_large_100": MobileNetV3Variant(Weights("ra_in1k"), LARGE, 1.0, 960, 1280),
}


def _bottleneck(in_channels: int, hidden: int) -> int:
    return round_channels(hidden / 4)


STYLE = Style(hard_swish, eps=1e-5, squeeze=Squeeze(_bottleneck, relu, hard_sigmoid))


def build(architecture: str, num_classes: int, size: int) -> InvertedResiduals:
    """The network of a variant without its weights, for images of any size."""
    _, stages, width, last, features = VARIANTS[architecture]
    return InvertedResiduals(
        scale(stages, width),
        stem=STEM if width < 0.75 else round_channels(STEM * width),
        features=features,
        num_classes=num_classes,
        style=STYLE,
        last=round_channels(last * width),
    )


def rename(architecture: str, key: str) -> str:
    """Timm's key for a key of torchvision."""
    base = VARIANTS[architecture].stages
    block = re.fullmatch(r"features\.(\d+)\.(block\..+)", key)
    if block is not None:
        place = numbered(base, int(block[1]) - 1)
        return replaced(key, place, torchvision_parts(place.group) if place else {}, block[2])
    last = 1 + sum(group.blocks for stage in base for group in stage)
    names = {
        "features.0.0": "conv_stem",
        "features.0.1": "bn1",
        f"features.{last}.0": f"blocks.{len(base)}.0.conv",
        f"features.{last}.1": f"blocks.{len(base)}.0.bn1",
        "classifier.0": "conv_head",
        "classifier.3": "classifier",
    }
    return top(key, names)


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="classifier.weight",
    # torchvision trained it with another epsilon, which its files do not state.
    namings=(Naming("torchvision", rename, eps=1e-3),),
)
