"""Choices of an option that are suggested, not enforced by argparse."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator


class Suggestions(Collection[str]):
    """Choices that help and shell completion show, but that argparse lets pass unchecked.

    A word that is no choice is refused later, by an error that names the near matches.

    Args:
        names: gives the choices when asked; not before, as that may import JAX.
    """

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    def __contains__(self, word: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(list(self._names()))
