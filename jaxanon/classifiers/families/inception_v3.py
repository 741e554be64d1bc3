"""Inception v3.

Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016;
names and defaults are timm's, which are torchvision's.
"""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx
from jax import Array

from jaxanon.classifiers.family import INCEPTION_MEAN, INCEPTION_STD, Family, Weights
from jaxanon.classifiers.layers.activations import relu
from jaxanon.classifiers.layers.basic import Conv, Linear, Pointwise
from jaxanon.classifiers.layers.norms import BatchNorm
from jaxanon.classifiers.ops.conv_pool import average_pool, max_pool
from jaxanon.classifiers.ops.windows import Side

EPS = 1e-3
Maps = list[Array]


class InceptionConv(nnx.Module):
    """A convolution, its batch norm `bn`, and ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Side,
        stride: int = 1,
        *,
        same: bool = True,
    ) -> None:
        norm = BatchNorm("bn", EPS)
        if kernel_size == 1:
            self.conv: Conv | Pointwise = Pointwise(in_channels, out_channels, norm=norm)
        else:
            rows, columns = (
                (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
            )
            padding = (rows // 2, columns // 2) if same else 0
            self.conv = Conv(
                in_channels, out_channels, kernel_size, stride=stride, padding=padding, norm=norm
            )

    def __call__(self, x: Array) -> Array:
        return relu(self.conv(x))


def _join(maps: Maps) -> Array:
    return jnp.concatenate(maps, axis=3)


def _chain(x: Array, *units: InceptionConv) -> Array:
    for unit in units:
        x = unit(x)
    return x


class InceptionA(nnx.Module):
    """Inception block with branches of 1x1, 5x5, two 3x3, and a pool (the paper's figure 5)."""

    def __init__(self, in_channels: int, pooled: int) -> None:
        self.branch1x1 = InceptionConv(in_channels, 64, 1)
        self.branch5x5_1 = InceptionConv(in_channels, 48, 1)
        self.branch5x5_2 = InceptionConv(48, 64, 5)
        self.branch3x3dbl_1 = InceptionConv(in_channels, 64, 1)
        self.branch3x3dbl_2 = InceptionConv(64, 96, 3)
        self.branch3x3dbl_3 = InceptionConv(96, 96, 3)
        self.branch_pool = InceptionConv(in_channels, pooled, 1)

    def __call__(self, x: Array) -> Array:
        return _join(
            [
                self.branch1x1(x),
                _chain(x, self.branch5x5_1, self.branch5x5_2),
                _chain(x, self.branch3x3dbl_1, self.branch3x3dbl_2, self.branch3x3dbl_3),
                self.branch_pool(average_pool(x, 3, 1, padding=1)),
            ]
        )


class InceptionB(nnx.Module):
    """Inception block that halves the side, from 288 to 768 channels (the paper's figure 10)."""

    def __init__(self, in_channels: int) -> None:
        self.branch3x3 = InceptionConv(in_channels, 384, 3, 2, same=False)
        self.branch3x3dbl_1 = InceptionConv(in_channels, 64, 1)
        self.branch3x3dbl_2 = InceptionConv(64, 96, 3)
        self.branch3x3dbl_3 = InceptionConv(96, 96, 3, 2, same=False)

    def __call__(self, x: Array) -> Array:
        return _join(
            [
                self.branch3x3(x),
                _chain(x, self.branch3x3dbl_1, self.branch3x3dbl_2, self.branch3x3dbl_3),
                max_pool(x, 3, 2),
            ]
        )


class InceptionC(nnx.Module):
    """Inception block with 7x7 convolutions factored into 1x7 and 7x1 (the paper's figure 6)."""

    def __init__(self, in_channels: int, width: int) -> None:
        self.branch1x1 = InceptionConv(in_channels, 192, 1)
        self.branch7x7_1 = InceptionConv(in_channels, width, 1)
        self.branch7x7_2 = InceptionConv(width, width, (1, 7))
        self.branch7x7_3 = InceptionConv(width, 192, (7, 1))
        self.branch7x7dbl_1 = InceptionConv(in_channels, width, 1)
        self.branch7x7dbl_2 = InceptionConv(width, width, (7, 1))
        self.branch7x7dbl_3 = InceptionConv(width, width, (1, 7))
        self.branch7x7dbl_4 = InceptionConv(width, width, (7, 1))
        self.branch7x7dbl_5 = InceptionConv(width, 192, (1, 7))
        self.branch_pool = InceptionConv(in_channels, 192, 1)

    def __call__(self, x: Array) -> Array:
        double = _chain(
            x,
            self.branch7x7dbl_1,
            self.branch7x7dbl_2,
            self.branch7x7dbl_3,
            self.branch7x7dbl_4,
            self.branch7x7dbl_5,
        )
        return _join(
            [
                self.branch1x1(x),
                _chain(x, self.branch7x7_1, self.branch7x7_2, self.branch7x7_3),
                double,
                self.branch_pool(average_pool(x, 3, 1, padding=1)),
            ]
        )


class InceptionD(nnx.Module):
    """Inception block that halves the side, from 768 to 1280 channels."""

    def __init__(self, in_channels: int) -> None:
        self.branch3x3_1 = InceptionConv(in_channels, 192, 1)
        self.branch3x3_2 = InceptionConv(192, 320, 3, 2, same=False)
        self.branch7x7x3_1 = InceptionConv(in_channels, 192, 1)
        self.branch7x7x3_2 = InceptionConv(192, 192, (1, 7))
        self.branch7x7x3_3 = InceptionConv(192, 192, (7, 1))
        self.branch7x7x3_4 = InceptionConv(192, 192, 3, 2, same=False)

    def __call__(self, x: Array) -> Array:
        long = _chain(
            x, self.branch7x7x3_1, self.branch7x7x3_2, self.branch7x7x3_3, self.branch7x7x3_4
        )
        return _join([_chain(x, self.branch3x3_1, self.branch3x3_2), long, max_pool(x, 3, 2)])


class InceptionE(nnx.Module):
    """Inception block with 3x3 convolutions split into 1x3 and 3x1 (the paper's figure 7)."""

    def __init__(self, in_channels: int) -> None:
        self.branch1x1 = InceptionConv(in_channels, 320, 1)
        self.branch3x3_1 = InceptionConv(in_channels, 384, 1)
        self.branch3x3_2a = InceptionConv(384, 384, (1, 3))
        self.branch3x3_2b = InceptionConv(384, 384, (3, 1))
        self.branch3x3dbl_1 = InceptionConv(in_channels, 448, 1)
        self.branch3x3dbl_2 = InceptionConv(448, 384, 3)
        self.branch3x3dbl_3a = InceptionConv(384, 384, (1, 3))
        self.branch3x3dbl_3b = InceptionConv(384, 384, (3, 1))
        self.branch_pool = InceptionConv(in_channels, 192, 1)

    def __call__(self, x: Array) -> Array:
        single = self.branch3x3_1(x)
        double = _chain(x, self.branch3x3dbl_1, self.branch3x3dbl_2)
        return _join(
            [
                self.branch1x1(x),
                self.branch3x3_2a(single),
                self.branch3x3_2b(single),
                self.branch3x3dbl_3a(double),
                self.branch3x3dbl_3b(double),
                self.branch_pool(average_pool(x, 3, 1, padding=1)),
            ]
        )


class InceptionV3(nnx.Module):
    """Normalised images `(batch, height, width, 3)` -> logits `(batch, classes)`."""

    def __init__(self, num_classes: int) -> None:
        self.Conv2d_1a_3x3 = InceptionConv(3, 32, 3, 2, same=False)
        self.Conv2d_2a_3x3 = InceptionConv(32, 32, 3, same=False)
        self.Conv2d_2b_3x3 = InceptionConv(32, 64, 3)
        self.Conv2d_3b_1x1 = InceptionConv(64, 80, 1)
        self.Conv2d_4a_3x3 = InceptionConv(80, 192, 3, same=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = (
            InceptionA(192, 32),
            InceptionA(256, 64),
            InceptionA(288, 64),
        )
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b, self.Mixed_6c = InceptionC(768, 128), InceptionC(768, 160)
        self.Mixed_6d, self.Mixed_6e = InceptionC(768, 160), InceptionC(768, 192)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b, self.Mixed_7c = InceptionE(1280), InceptionE(2048)
        self.fc = Linear(2048, num_classes)

    def __call__(self, x: Array) -> Array:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(max_pool(x, 3, 2)))
        x = max_pool(x, 3, 2)
        for letter in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c"):
            x = getattr(self, f"Mixed_{letter}")(x)
        return self.fc(x.mean((1, 2)))


def build(architecture: str, num_classes: int, size: int) -> InceptionV3:
    """The network without its weights, for images of any size."""
    return InceptionV3(num_classes)


FAMILY = Family(
    variants={"inception_v3": Weights("tv_in1k", 299, mean=INCEPTION_MEAN, std=INCEPTION_STD)},
    build=build,
    head="fc.weight",
    smallest=75,
    left_out=("AuxLogits.*",),
)
