"""EfficientNet-Lite 0 to 4: inverted residuals with ReLU6 and no squeeze-and-excitation.

Source: Tan and Le, "EfficientNet", ICML 2019, in the "lite" form published by the TensorFlow TPU
project; attribute names, channel rounding and defaults are those of timm's `tf_efficientnet_lite*`.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from flax import nnx
from jax import Array
from jax.nn import relu6

from jaxanon.classifiers.config import Config
from jaxanon.classifiers.layers import BatchNorm, Conv, Depthwise, Linear, Pointwise

EPS = 1e-3
STEM, FEATURES = 32, 1280


class Variant(NamedTuple):
    """How a variant scales the base network, and how its weights see an image."""

    width: float
    depth: float
    size: int
    crop: float
    interpolation: str


VARIANTS = {
    "tf_efficientnet_lite0": Variant(1.0, 1.0, 224, 0.875, "bicubic"),
    "tf_efficientnet_lite1": Variant(1.0, 1.1, 240, 0.882, "bicubic"),
    "tf_efficientnet_lite2": Variant(1.1, 1.2, 260, 0.890, "bicubic"),
    "tf_efficientnet_lite3": Variant(1.2, 1.4, 300, 0.904, "bilinear"),
    "tf_efficientnet_lite4": Variant(1.4, 1.8, 380, 0.920, "bilinear"),
}
TAG = "in1k"


class Stage(NamedTuple):
    """A run of blocks of the base network; the first block has the stride."""

    blocks: int
    kernel: int
    stride: int
    expand: int
    channels: int


BASE = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


def config(architecture: str) -> Config:
    """Preprocessing, licence and source of a variant's default weights."""
    variant = VARIANTS[architecture]
    return Config(
        input_size=variant.size,
        crop=variant.crop,
        interpolation=variant.interpolation,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        classes=1000,
        licence="apache-2.0",
        source=f"https://huggingface.co/timm/{architecture}.{TAG}",
    )


def depths(architecture: str) -> list[int]:
    """Blocks per stage. The first and the last stage keep their length."""
    last = len(BASE) - 1
    scale = VARIANTS[architecture].depth
    return [
        stage.blocks if i in (0, last) else math.ceil(stage.blocks * scale)
        for i, stage in enumerate(BASE)
    ]


def _round_channels(channels: float) -> int:
    """The nearest multiple of 8, but never more than 10 % below."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class SeparableBlock(nnx.Module):
    """Depthwise then pointwise; the first stage's block. It never has a residual here."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        self.conv_dw = Depthwise(
            inputs, kernel, stride=stride, padding="same", norm=BatchNorm("bn1", EPS)
        )
        self.conv_pw = Pointwise(inputs, outputs, norm=BatchNorm("bn2", EPS))

    def __call__(self, x: Array) -> Array:
        return self.conv_pw(relu6(self.conv_dw(x)))


class InvertedResidual(nnx.Module):
    """Expand, depthwise, project; with a residual where the shape allows it."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expand: int) -> None:
        hidden = inputs * expand
        self.residual = stride == 1 and inputs == outputs
        self.conv_pw = Pointwise(inputs, hidden, norm=BatchNorm("bn1", EPS))
        self.conv_dw = Depthwise(
            hidden, kernel, stride=stride, padding="same", norm=BatchNorm("bn2", EPS)
        )
        self.conv_pwl = Pointwise(hidden, outputs, norm=BatchNorm("bn3", EPS))

    def __call__(self, x: Array) -> Array:
        y = self.conv_pwl(relu6(self.conv_dw(relu6(self.conv_pw(x)))))
        return x + y if self.residual else y


class EfficientNetLite(nnx.Module):
    """Normalised images `(batch, height, width, 3)` -> logits `(batch, classes)`."""

    def __init__(self, architecture: str, classes: int) -> None:
        variant = VARIANTS[architecture]
        self.conv_stem = Conv(3, STEM, 3, stride=2, padding="same", norm=BatchNorm("bn1", EPS))
        inputs, stages = STEM, []
        for stage, blocks in zip(BASE, depths(architecture), strict=True):
            outputs = _round_channels(stage.channels * variant.width)
            group: list[nnx.Module] = []
            for i in range(blocks):
                stride = stage.stride if i == 0 else 1
                group.append(
                    SeparableBlock(inputs, outputs, stage.kernel, stride)
                    if stage.expand == 1
                    else InvertedResidual(inputs, outputs, stage.kernel, stride, stage.expand)
                )
                inputs = outputs
            stages.append(nnx.List(group))
        self.blocks = nnx.List(stages)
        self.conv_head = Pointwise(inputs, FEATURES, norm=BatchNorm("bn2", EPS))
        self.classifier = Linear(FEATURES, classes)

    def __call__(self, x: Array) -> Array:
        x = relu6(self.conv_stem(x))
        for stage in self.blocks:
            for block in stage:
                x = block(x)
        x = relu6(self.conv_head(x))
        return self.classifier(x.mean((1, 2)))


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


def timm_name(architecture: str, key: str) -> str:
    """A state-dict key in timm's naming, given in timm's or in EfficientNet-PyTorch's naming.

    The packages on PyPI use the second: blocks are numbered through (`_blocks.5`) instead of per
    stage (`blocks.2.1`). A key of neither naming comes back as it is, for the port to refuse.
    """
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+?)\.(\w+)", key)
    if block:
        number, part, leaf = int(block[1]), block[2], block[3]
        for stage, count in enumerate(depths(architecture)):
            names = _SEPARABLE if BASE[stage].expand == 1 else _INVERTED
            if number < count and part in names:
                return f"blocks.{stage}.{number}.{names[part]}.{leaf}"
            number -= count
            if number < 0:
                break
        return key
    part, _, leaf = key.partition(".")
    return f"{_TOP[part]}.{leaf}" if part in _TOP else key
