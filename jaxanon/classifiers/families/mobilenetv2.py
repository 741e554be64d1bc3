"""MobileNetV2, in widths from 0.35 to 1.4 and two deeper forms.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018; the
deeper forms (110d, 120d) and all defaults are timm's.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jaxanon.classifiers.family import Family, Naming, Weights
from jaxanon.classifiers.layers.activations import relu6
from jaxanon.classifiers.layers.inverted_residual import (
    Group,
    InvertedResiduals,
    Stages,
    Style,
    round_channels,
    scale,
)
from jaxanon.classifiers.layers.inverted_residual_names import (
    numbered,
    replaced,
    top,
    torchvision_top,
)


class MobileNetV2Variant(NamedTuple):
    """A variant of MobileNetV2.

    Attributes:
        weights: the default weights.
        width: factor on channels.
        depth: factor on the number of blocks.
        fixed_ends: whether the stem, the head, and the first and last stage keep their size.
    """

    weights: Weights
    width: float
    depth: float = 1.0
    fixed_ends: bool = False


VARIANTS = {
    "mobilenetv2_035": MobileNetV2Variant(Weights(None), 0.35),
    "mobilenetv2_050": MobileNetV2Variant(Weights("lamb_in1k"), 0.5),
    "mobilenetv2_075": MobileNetV2Variant(Weights(None), 0.75),
    "mobilenetv2_100": MobileNetV2Variant(Weights("ra_in1k"), 1.0),
    "mobilenetv2_110d": MobileNetV2Variant(Weights("ra_in1k"), 1.1, 1.2, True),
    "mobilenetv2_120d": MobileNetV2Variant(Weights("ra_in1k"), 1.2, 1.4, True),
    "mobilenetv2_140": MobileNetV2Variant(Weights("ra_in1k"), 1.4),
}
BASE = (
    (Group(1, 3, 1, 1, 16),),
    (Group(2, 3, 2, 6, 24),),
    (Group(3, 3, 2, 6, 32),),
    (Group(4, 3, 2, 6, 64),),
    (Group(3, 3, 1, 6, 96),),
    (Group(3, 3, 2, 6, 160),),
    (Group(1, 3, 1, 6, 320),),
)
STEM, FEATURES = 32, 1280


def stages(architecture: str) -> Stages:
    """The stages of a variant: groups of inverted residual blocks."""
    _, width, depth, fixed = VARIANTS[architecture]
    return scale(BASE, width, depth, fixed_ends=fixed)


def build(architecture: str, num_classes: int, size: int) -> InvertedResiduals:
    """The network of a variant without its weights, for images of any size."""
    _, width, _, fixed = VARIANTS[architecture]
    return InvertedResiduals(
        stages(architecture),
        stem=STEM if fixed else round_channels(STEM * width),
        features=FEATURES if fixed else max(FEATURES, round_channels(FEATURES * width)),
        num_classes=num_classes,
        style=Style(relu6, eps=1e-5),
    )


_FIRST = {"conv.0.0": "conv_dw", "conv.0.1": "bn1", "conv.1": "conv_pw", "conv.2": "bn2"}
_OTHER = {
    "conv.0.0": "conv_pw",
    "conv.0.1": "bn1",
    "conv.1.0": "conv_dw",
    "conv.1.1": "bn2",
    "conv.2": "conv_pwl",
    "conv.3": "bn3",
}


def rename(architecture: str, key: str) -> str:
    """Timm's key for a key of torchvision."""
    block = re.fullmatch(r"features\.(\d+)\.(conv\..+)", key)
    if block is None:
        return top(key, torchvision_top(18))
    number = int(block[1]) - 1
    parts = _OTHER if number else _FIRST
    return replaced(key, numbered(stages(architecture), number), parts, block[2])


FAMILY = Family(
    variants={name: variant.weights for name, variant in VARIANTS.items()},
    build=build,
    head="classifier.weight",
    namings=(Naming("torchvision", rename),),
)
