"""Match the files of two folders by their relative path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from jaxanon.errors import ImageError
from jaxanon.images import Source, find


class Partners:
    """Finds, for an original, the file of another folder that was made from it.

    It has the same relative path, the suffix aside; where the maker kept the old suffix inside
    the new name (`a.jpg` -> `a.jpg.png`), that one comes first.

    Raises:
        UsageError: when the folder does not exist or is empty.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exact: dict[str, Source] = {}
        self.without_suffix: dict[str, list[Source]] = defaultdict(list)
        for source in find([folder]):
            self.exact[source.relative.as_posix()] = source
            self.without_suffix[source.relative.with_suffix("").as_posix()].append(source)

    def of(self, original: Source) -> Source:
        """The partner.

        Raises:
            ImageError: when there is none, or more than one.
        """
        whole = original.relative.as_posix()
        stem = original.relative.with_suffix("").as_posix()
        for found in (
            self.without_suffix.get(whole, []),
            [self.exact[whole]] if whole in self.exact else [],
            self.without_suffix.get(stem, []),
        ):
            if len(found) == 1:
                return found[0]
            if found:
                names = ", ".join(str(source.relative) for source in found)
                raise ImageError(
                    f"{original.path}: more than one partner in {self.folder}: {names}"
                )
        raise ImageError(f"{original.path}: no {stem}.* in {self.folder}")


def same_size(a: Source, b: Source, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise ImageError unless two decoded partners have one size."""
    (ha, wa), (hb, wb) = shapes[0][:2], shapes[1][:2]
    if (ha, wa) != (hb, wb):
        turned = " (turned by 90 degrees?)" if (ha, wa) == (wb, hb) else ""
        raise ImageError(f"{a.path} has {wa}x{ha} pixels, {b.path} has {wb}x{hb}{turned}")
