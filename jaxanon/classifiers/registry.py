"""The table of all classifiers, and finding a row by its name."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from flax import nnx

from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.config import Config
from jaxanon.classifiers.families import FAMILIES
from jaxanon.classifiers.family import Family, Weights
from jaxanon.classifiers.weights.checkpoint import in_package
from jaxanon.errors import UsageError, unknown


@dataclass(frozen=True)
class Entry:
    """One loadable classifier.

    Attributes:
        architecture: timm's name of the network.
        family: the family that builds the architecture.
        weights: the architecture's default weights, or those of another tag.
        default: whether the weights are the default ones.
    """

    architecture: str
    family: Family
    weights: Weights
    default: bool = True

    @property
    def name(self) -> str:
        """`architecture.tag`; the architecture alone where no weights are published."""
        tag = self.weights.tag
        return self.architecture if tag is None else f"{self.architecture}.{tag}"

    @property
    def config(self) -> Config:
        """Preprocessing, licence and origin of the weights, as far as the table knows."""
        return self.weights.config(self.architecture)

    @property
    def repository(self) -> str | None:
        """The hub's repository of the weights, `owner/name`, or None where none are published."""
        return None if self.weights.tag is None else f"timm/{self.name}"

    @property
    def installed(self) -> Path | None:
        """The file of the weights in an installed package, or None."""
        package = self.weights.package
        return None if package is None else in_package(package.replace("-", "_"))

    def build(self, num_classes: int, size: int | None = None) -> nnx.Module:
        """The model with abstract arrays (shape and type only).

        Args:
            num_classes: number of classes of the head.
            size: side of the input in pixels; the table's by default.

        Raises:
            ValueError: when the architecture does not take this size.
        """
        size = size or self.config.input_size
        if size < self.family.smallest:
            raise ValueError(
                f"{self.architecture} needs {self.family.smallest} pixels a side, not {size}"
            )
        return self.family.build(self.architecture, num_classes, size)


ENTRIES: dict[str, Entry] = {
    architecture: Entry(architecture, family, weights)
    for family in FAMILIES.values()
    for architecture, weights in family.variants.items()
}
"""Architecture -> its row, with the default weights."""


def list_classifiers(pattern: str = "*") -> list[str]:
    """Names (`architecture.tag`, the default tags) that match a shell-style pattern, in order.

    The pattern is for the name or for the architecture alone.
    """
    if not isinstance(pattern, str):
        raise UsageError(f"pattern is {pattern!r}; give a text such as 'resnet*'")
    match = partial(fnmatch.fnmatch, pat=pattern)
    return sorted(e.name for e in ENTRIES.values() if match(e.name) or match(e.architecture))


def find(name: str) -> Entry:
    """The row of a classifier by its name; `@PATH` after the name is ignored.

    Args:
        name: `architecture` (then with its default tag) or `architecture.tag`, the tag being any
            that timm publishes.

    Raises:
        UsageError: for an unknown architecture, with the near matches, and for what is no tag.
    """
    if not isinstance(name, str):
        raise UsageError(f"{name!r} is no name of a classifier; give a text such as 'resnet50'")
    name, at, path = name.partition("@")
    if at and not path:
        raise UsageError(f"{name}@ names no path; write {name}@PATH, or {name} alone")
    architecture, dot, tag = name.partition(".")
    entry = ENTRIES.get(architecture)
    if entry is None:
        raise UsageError(f"{unknown('classifier', name, ENTRIES)}; see jaxanon models")
    if not dot or tag == entry.weights.tag:
        return entry
    if not re.fullmatch(r"\w([\w.-]{0,60}\w)?", tag) or ".." in tag or "--" in tag:
        raise UsageError(f"{tag!r} in {name!r} is no tag; the default weights are {entry.name}")
    # Licence and preprocessing of another tag are in its repository alone.
    weights = replace(entry.weights, tag=tag, licence="unknown", package=None)
    return replace(entry, weights=weights, default=False)


def parameters(entry: Entry) -> int:
    """Number of parameters of a classifier (batch norm folded), without loading its weights."""
    model = entry.build(entry.config.num_classes)
    return Classifier.from_model(entry.name, entry.config, model).parameters
