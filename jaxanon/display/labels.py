"""Class names, in words."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jaxanon.classifiers.config import Config


@cache
def imagenet() -> tuple[str, ...]:
    """The 1000 classes of ImageNet-1k: the first WordNet lemma of each, in the usual order."""
    text = (
        files("jaxanon.display").joinpath("data/imagenet_classes.txt").read_text(encoding="utf-8")
    )
    return tuple(text.splitlines())


def label(config: Config, decision: int) -> str:
    """A decision in words, or its number where the classes have no known names."""
    if config.labels is not None:
        return config.labels[decision]
    return imagenet()[decision] if config.num_classes == 1000 else f"class {decision}"
