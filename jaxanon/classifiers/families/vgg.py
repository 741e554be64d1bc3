"""VGG 11 to 19, plain and with batch norm.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015; batch norm and weights are torchvision's, names timm's.
"""

from __future__ import annotations

from flax import nnx
from jax import Array

from jaxanon.classifiers.family import Family, Naming, Weights
from jaxanon.classifiers.layers.activations import relu
from jaxanon.classifiers.layers.basic import Conv, Head, Pointwise
from jaxanon.classifiers.layers.norms import BatchNorm
from jaxanon.classifiers.ops.conv_pool import max_pool, resize_mean

EPS = 1e-5
WIDTHS = (64, 128, 256, 512, 512)
FEATURES, SIDE = 4096, 7
CONVOLUTIONS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
"""Architecture -> convolutions per stage; a max pool follows each stage."""
WEIGHTS = Weights("tv_in1k", interpolation="bilinear", licence="bsd-3-clause")


class ConvMlp(nnx.Module):
    """VGG's two hidden fully connected layers, as convolutions."""

    def __init__(self) -> None:
        self.fc1 = Conv(WIDTHS[-1], FEATURES, SIDE)
        self.fc2 = Pointwise(FEATURES, FEATURES)

    def __call__(self, x: Array) -> Array:
        if min(x.shape[1:3]) < SIDE:
            x = resize_mean(x, SIDE)
        return relu(self.fc2(relu(self.fc1(x))))


class Vgg(nnx.Module):
    """Normalised images `(batch, height, width, 3)` -> logits `(batch, classes)`."""

    def __init__(self, convolutions: tuple[int, ...], normed: bool, num_classes: int) -> None:
        features: dict[str, Conv] = {}
        pooled, at, in_channels, step = [], 0, 3, 3 if normed else 2
        for width, count in zip(WIDTHS, convolutions, strict=True):
            for _ in range(count):
                norm = BatchNorm(str(at + 1), EPS) if normed else None
                features[str(at)] = Conv(in_channels, width, 3, padding=1, norm=norm, bias=True)
                in_channels = width
                at += step
            pooled.append(str(at - step))
            at += 1
        self.pooled = tuple(pooled)
        self.features = nnx.Dict(features)
        self.pre_logits = ConvMlp()
        self.head = Head(FEATURES, num_classes)

    def __call__(self, x: Array) -> Array:
        for name, conv in sorted(self.features.items(), key=lambda item: int(item[0])):
            x = conv(x)
            if name in self.pooled:  # before the rectifier it is the same, at a quarter of its work
                x = max_pool(x, 2, 2)
            x = relu(x)
        return self.head(self.pre_logits(x))


def build(architecture: str, num_classes: int, size: int) -> Vgg:
    """The network of a variant without its weights, for images of any size."""
    base, _, normed = architecture.partition("_")
    return Vgg(CONVOLUTIONS[base], normed == "bn", num_classes)


_HEAD = {
    "classifier.0": "pre_logits.fc1",
    "classifier.3": "pre_logits.fc2",
    "classifier.6": "head.fc",
}


def rename(architecture: str, key: str) -> str:
    """Timm's key for a key of torchvision, whose head is of fully connected layers."""
    layer, _, leaf = key.rpartition(".")
    return f"{_HEAD[layer]}.{leaf}" if layer in _HEAD else key


FAMILY = Family(
    variants={name + form: WEIGHTS for name in CONVOLUTIONS for form in ("", "_bn")},
    build=build,
    head="head.fc.weight",
    namings=(Naming("torchvision", rename),),
)
