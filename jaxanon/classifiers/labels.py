"""Names of classes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from jaxanon.classifiers.config import Classes, Config
from jaxanon.errors import UsageError, unknown


@cache
def imagenet() -> tuple[str, ...]:
    """Names of ImageNet-1k's 1000 classes by number: the first WordNet lemma of each."""
    text = (
        files("jaxanon.classifiers")
        .joinpath("data/imagenet_classes.txt")
        .read_text(encoding="utf-8")
    )
    return tuple(text.splitlines())


def label(config: Classes, decision: int) -> str:
    """The name of a class, or `class N` where the classes have no known names.

    Args:
        config: configuration of the classifier that decided.
        decision: number of the class.
    """
    names = known_names(config)
    return f"class {decision}" if names is None else names[decision]


def names_of(config: Classes, decision: int | Sequence[int]) -> str:
    """The names of the classes of a decision, or of its one class; `none` where it has none."""
    classes = [decision] if isinstance(decision, int) else decision
    return ", ".join(label(config, each) for each in classes) or "none"


def known_names(config: Classes) -> tuple[str, ...] | None:
    """Names of a classifier's classes by number; None where they have no known names."""
    if config.labels is not None:
        return config.labels
    # A thousand classes of somebody else's need not be ImageNet's.
    ours = isinstance(config, Config)
    return imagenet() if ours and config.num_classes == 1000 else None


def same_classes(one: Classes, other: Classes) -> bool:
    """Whether two classifiers number the same classes alike, as far as can be told.

    They have as many, and most names are equal at the same number, or neither has names. Lists of
    the same classes differ in a name here and there, and what follows a comma, synonyms, is not
    compared; in another order hardly any would be equal.
    """
    names, others = known_names(one), known_names(other)
    if one.num_classes != other.num_classes:
        return False
    if names is None or others is None:
        return names is others
    pairs = zip(names, others, strict=True)
    equal = sum(_fold(a.split(",")[0]) == _fold(b.split(",")[0]) for a, b in pairs)
    return 2 * equal > one.num_classes


def class_number(config: Classes, name: str | int) -> int:
    """The number of a class that is given by its name, in any case, or by its number.

    Args:
        config: configuration of the classifier whose class it is.
        name: such as `llama`, `polar bear` or 355.

    Raises:
        UsageError: when the classifier has no such class, or several of the name.
    """
    most = config.num_classes - 1
    if isinstance(name, int):
        if not 0 <= name <= most:
            raise UsageError(f"there is no class {name}; its classes are 0 to {most}")
        return name
    names = known_names(config)
    if names is None:
        raise UsageError(f"its classes have no names, such as {name!r}; give one of 0 to {most}")
    found = [i for i, known in enumerate(names) if known == name] or [
        i for i, known in enumerate(names) if _fold(known) == _fold(name)
    ]
    if not found:
        raise UsageError(unknown("class", name, names))
    if len(found) > 1:
        numbers = ", ".join(map(str, found))
        raise UsageError(f"{name!r} is the name of several classes; give one of {numbers}")
    return found[0]


def _fold(name: str) -> str:
    """A name without what is written now one way, now another."""
    return name.casefold().replace("_", " ").strip()
