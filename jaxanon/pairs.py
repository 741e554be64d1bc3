"""Match the files of two folders by their relative path."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from jaxanon.errors import ImageError
from jaxanon.files import Source, find


class Partners:
    """Finds, for each original, the file of another folder that was made from it.

    It has the same relative path, the suffix aside; where the maker kept the old suffix inside
    the new name (`a.jpg` -> `a.jpg.png`), that one comes first. Reports (`.json`) are no partners.

    Args:
        folder: where the partners are.
        originals: all of them, so that no two get the same partner.

    Raises:
        UsageError: when the folder does not exist or is empty.
    """

    def __init__(self, folder: Path, originals: Sequence[Source]) -> None:
        self.folder = folder
        self.exact: dict[str, Source] = {}
        self.without_suffix: dict[str, list[Source]] = defaultdict(list)
        for source in find([folder]):
            if source.path.suffix != ".json":
                self.exact[source.relative.as_posix()] = source
                self.without_suffix[source.relative.with_suffix("").as_posix()].append(source)
        self.taken = Counter(
            found[0].path for found in map(self._candidates, originals) if len(found) == 1
        )

    def of(self, original: Source) -> Source:
        """The partner.

        Raises:
            ImageError: when there is none, more than one, or it is another original's as well.
        """
        found = self._candidates(original)
        if not found:
            stem = original.relative.with_suffix("")
            raise ImageError(f"{original.path}: no {stem}.* in {self.folder}")
        if len(found) > 1:
            names = ", ".join(str(source.relative) for source in found)
            raise ImageError(f"{original.path}: more than one partner in {self.folder}: {names}")
        if self.taken[found[0].path] > 1:
            raise ImageError(
                f"{original.path}: {found[0].path} is the partner of another original as well"
            )
        return found[0]

    def _candidates(self, original: Source) -> list[Source]:
        whole = original.relative.as_posix()
        stem = original.relative.with_suffix("").as_posix()
        exact = [self.exact[whole]] if whole in self.exact else []
        return self.without_suffix.get(whole, []) or exact or self.without_suffix.get(stem, [])


def same_size(a: Source, b: Source, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise ImageError unless two decoded partners have one size."""
    (ha, wa), (hb, wb) = shapes[0][:2], shapes[1][:2]
    if (ha, wa) != (hb, wb):
        turned = " (turned by 90 degrees?)" if (ha, wa) == (wb, hb) else ""
        raise ImageError(f"{a.path} has {wa}x{ha} pixels, {b.path} has {wb}x{hb}{turned}")
