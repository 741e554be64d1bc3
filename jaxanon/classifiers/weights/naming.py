"""Key names of state dicts: whose they are, and what timm calls the same keys."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cached_property

from jaxanon.classifiers.family import Family, Naming
from jaxanon.classifiers.layers.leaf import Keys

TIMM = Naming("timm", lambda architecture, key: key)
COUNTER = ".num_batches_tracked"
"""A training counter of PyTorch's batch norm; no parameter."""


@dataclass(frozen=True)
class Translation:
    """Keys of a state dict in timm's naming.

    Attributes:
        naming: the project whose names the state dict has.
        names: state dict's key -> timm's key; keys that hold no parameter are left out.
        inside: what stands before the keys of the network, where other keys are left out.
        rivals: what stands before the keys of several networks that all would fit; none else.
    """

    naming: Naming
    names: Mapping[str, str]
    inside: str = ""
    rivals: tuple[str, ...] = ()

    @cached_property
    def stored(self) -> dict[str, str]:
        """Timm's key -> the state dict's key."""
        return {name: key for key, name in self.names.items()}

    def agreeing(self, expected: Iterable[str]) -> int:
        """The number of a model's expected keys (timm's) that the state dict has."""
        return len(self.stored.keys() & set(expected))


def by_pattern(patterns: Mapping[str, str], key: str) -> str | None:
    """`key` rewritten by the first regular expression that matches it whole, or None."""
    for pattern, template in patterns.items():
        if match := re.fullmatch(pattern, key):
            return match.expand(template)
    return None


def untranslated(keys: Iterable[str]) -> Translation:
    """The translation of keys that are timm's already."""
    return Translation(TIMM, {key: key for key in keys if not key.endswith(COUNTER)})


def translate(
    family: Family, architecture: str, keys: Iterable[str], expected: Iterable[str]
) -> Translation:
    """Detect whose key names a state dict has: those by which most of the expected keys are there.

    Where the network is but a part of what was trained, so that its keys begin alike and others
    do not, those others are left out. So robust networks are stored, beside what normalises their
    input, and once more in what attacked them (Engstrom et al., "Robustness (Python Library)",
    2019; Salman et al., "Do Adversarially Robust ImageNet Models Transfer Better?", 2020).

    Args:
        family: family of the architecture, with the namings to try.
        architecture: timm's name of the network.
        keys: keys of the state dict.
        expected: timm's keys, as the model expects them.
    """
    keys, expected = list(keys), set(expected)
    whole = _translated(family, architecture, keys, expected)
    parts: dict[str, list[str]] = defaultdict(list)
    for key, bare in _without_wrappers(keys, {key.partition(".")[0] for key in expected}).items():
        wrappers, first = key.removesuffix(bare), bare.partition(".")[0]
        parts[wrappers + first].append(key)
    if whole.agreeing(expected) == len(expected) or len(parts) == 1:
        return whole
    found = {
        first: replace(part, inside=first)
        for first, its_keys in parts.items()
        if (part := _translated(family, architecture, its_keys, expected)).agreeing(expected)
        == len(expected)
    }
    if len(found) > 1:
        return replace(whole, rivals=tuple(found))
    return next(iter(found.values()), whole)


def _translated(
    family: Family, architecture: str, keys: Sequence[str], expected: set[str]
) -> Translation:
    """The translation by which most of the expected keys are among these."""
    out = (f"*{COUNTER}", *family.left_out)
    bare = _without_wrappers(keys, {key.partition(".")[0] for key in expected})
    kept = {k: name for k, name in bare.items() if not any(fnmatch(name, o) for o in out)}
    candidates = [
        Translation(naming, {key: naming.rename(architecture, name) for key, name in kept.items()})
        for naming in (TIMM, *family.namings)
    ]
    return max(candidates, key=lambda candidate: candidate.agreeing(expected))


def _without_wrappers(keys: Iterable[str], firsts: set[str]) -> dict[str, str]:
    """Keys of a state dict -> the same without what training wrappers put before all of them.

    Args:
        keys: such as "module._orig_mod.conv1.weight".
        firsts: how the keys of the network itself may begin.
    """
    bare = {key: key for key in keys}
    while True:
        first = {name.partition(".")[0] for name in bare.values()}
        if len(first) != 1 or first & firsts or not all("." in name for name in bare.values()):
            return bare
        bare = {key: name.partition(".")[2] for key, name in bare.items()}


def agreement(translation: Translation, shapes: Keys, expected: Keys) -> float:
    """Share of keys with equal shape, among all keys of a state dict and a model, in [0, 1].

    Args:
        translation: translation of the state dict's keys.
        shapes: key -> shape, of the state dict.
        expected: timm's key -> shape, of the model.
    """
    stored = {name: shapes[key] for key, name in translation.names.items()}
    same = sum(stored.get(key) == shape for key, shape in expected.items())
    return same / len(set(stored) | set(expected))
