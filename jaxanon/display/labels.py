"""Names of classes."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jaxanon.classifiers.config import Config


@cache
def imagenet() -> tuple[str, ...]:
    """Names of ImageNet-1k's 1000 classes by number: the first WordNet lemma of each."""
    text = (
        files("jaxanon.display").joinpath("data/imagenet_classes.txt").read_text(encoding="utf-8")
    )
    return tuple(text.splitlines())


def label(config: Config, decision: int) -> str:
    """The name of a class, or `class N` where the classes have no known names.

    Args:
        config: configuration of the classifier that decided.
        decision: number of the class.
    """
    if config.labels is not None:
        return config.labels[decision]
    return imagenet()[decision] if config.num_classes == 1000 else f"class {decision}"
