"""Oracles: classifiers that are only asked, and whose decisions are to be kept too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from jaxanon.classifiers.config import Classes
from jaxanon.classifiers.decided import Decisions, compared
from jaxanon.classifiers.keeping import TOP1, Keep
from jaxanon.classifiers.labels import same_classes
from jaxanon.pipeline.record import Record


@dataclass(frozen=True, eq=False)
class Best:
    """The file of an image that pleased sources and oracles best so far.

    Attributes:
        rank: how many sources do what they are to do, how many oracles, and by how much the least
            content oracle prefers its reference decision; compared in this order.
        record: of the file.
        data: its bytes.
        levels: the perturbation to go on from, that of the last file of this rank;
            `(canvas, 3, canvas)` int16.
    """

    rank: tuple[int, int, float]
    record: Record
    data: bytes
    levels: np.ndarray


class Oracles:
    """The oracles of a run, and what they make of saved files.

    Args:
        sources: names of the sources.
        names: names of the oracles.
        classes: what is known of the classes of each.
        keep: what of their classes is to be kept.
    """

    def __init__(
        self,
        sources: Sequence[str],
        names: Sequence[str],
        classes: Mapping[str, Classes],
        keep: Keep = TOP1,
    ) -> None:
        self.sources, self.names, self.keep = tuple(sources), tuple(names), keep
        self._of_same_classes = {
            oracle: [same_classes(classes[oracle], classes[source]) for source in sources]
            for oracle in names
        }

    @property
    def unmatched(self) -> list[str]:
        """Names of those whose classes are, for all that is known, no source's.

        For their sake sources can be led to nothing but their own decisions.
        """
        return [oracle for oracle, same in self._of_same_classes.items() if not any(same)]

    def __bool__(self) -> bool:
        return bool(self.names)

    def agree(self, decisions: Decisions) -> bool:
        """Whether each makes its reference decision on a saved file."""
        return _kept(decisions, self.names) == len(self.names)

    def gave_labels_alone(self, scores: Mapping[str, np.ndarray]) -> bool:
        """Whether no oracle's scores tell more than its decision.

        Args:
            scores: of each classifier on a file, `(classes,)`; a bare label has 1 at its class.
        """
        return all(np.count_nonzero(scores[name]) <= 1 for name in self.names)

    def aims(self, decisions: Decisions) -> tuple[np.ndarray, ...]:
        """What the sources may be led to for the sake of each oracle; `(sources,)` int each.

        That is the oracle's reference decision, and a source's own where that has other classes.
        None where more than the first class is kept.

        Args:
            decisions: of all classifiers.
        """
        if self.keep.several:
            return ()
        own = np.array([compared(decisions[name], "reference") for name in self.sources])
        return tuple(
            np.where(same, compared(decisions[oracle], "reference"), own)
            for oracle, same in self._of_same_classes.items()
        )

    def better(
        self,
        before: Best | None,
        levels: np.ndarray,
        record: Record,
        data: bytes,
        scores: Mapping[str, np.ndarray],
    ) -> Best:
        """The better one of two files; of equal ones the earlier, with the later's perturbation.

        So a search moves on, and what it leaves where no oracle is won is the file that began it,
        on which the sources are surest.

        Args:
            before: the best one so far.
            levels: perturbation that the file came from, `(canvas, 3, canvas)` int16.
            record: of the file saved of it.
            data: bytes of that.
            scores: of each classifier on it, `(classes,)`, see `Keep.scores`.
        """
        margins = [
            _margin(self.keep, scores[name], compared(record.decisions[name], "reference"))
            for name in self.names
        ]
        sources, oracles = (_kept(record.decisions, names) for names in (self.sources, self.names))
        rank = sources, oracles, min(margins)
        if before is not None and before.rank >= rank:
            return replace(before, levels=levels) if before.rank == rank else before
        return Best(rank, record, data, levels)


def _kept(decisions: Decisions, names: Sequence[str]) -> int:
    rows = (decisions[name] for name in names)
    return sum(compared(row, "adapted") == compared(row, "reference") for row in rows)


def _margin(keep: Keep, scores: np.ndarray, wanted: int | Sequence[int]) -> float:
    """By how much a classifier prefers a decision; of a bare one 1 or -1."""
    return float(keep.margin(scores, keep.read(wanted, len(scores))))
