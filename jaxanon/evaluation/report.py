"""The report of `jaxanon transfer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from jaxanon.classifiers.keeping import TOP1, Keep
from jaxanon.evaluation.mistakes import Mistakes, mistakes
from jaxanon.evaluation.transfer import (
    Robustness,
    Roles,
    Shown,
    TransferRow,
    numbered,
    robustness,
    transfer,
)
from jaxanon.metrics import percent


@dataclass(frozen=True)
class TransferReport:
    """What classifiers decide on adapted images.

    Attributes:
        sources: names of the classifiers that the images were adapted to; the mistakes of others
            are compared with those of the first.
        oracles: names of those that were only asked.
        images: number of images compared.
        failed: one line per image that could not be compared.
        rows: one per classifier.
        under: concordance under changes; empty where none were asked for.
        mistakes: class-aware transferability, where it was asked for.
        keep: what a decision is, as the setting of this name has it.
    """

    sources: tuple[str, ...]
    oracles: tuple[str, ...]
    images: int
    failed: list[str]
    rows: list[TransferRow]
    under: Robustness
    mistakes: Mistakes | None
    keep: str = TOP1.text

    @classmethod
    def from_decisions(
        cls,
        names: Sequence[str],
        classes: Sequence[int],
        roles: Roles,
        decisions: Mapping[Shown, np.ndarray],
        failed: Sequence[str],
        *,
        class_aware: bool,
        keep: Keep = TOP1,
    ) -> TransferReport:
        """Report on the decisions of C classifiers.

        Args:
            names: names of the classifiers.
            classes: number of classes of each classifier.
            roles: whose decisions the images were made to keep.
            decisions: what was shown -> `(C, images)` int, or `(C, images, ...)`, where a decision
                is more than a class; original and adapted images as they are must be among them.
            failed: one line per image that could not be compared.
            class_aware: whether mistakes are to be compared too.
            keep: what a decision is.
        """
        if keep.several:
            decisions = numbered(decisions)
        reference, adapted = decisions[Shown("original")], decisions[Shown("adapted")]
        anonymized = decisions.get(Shown("anonymized"))
        compared = names, reference, adapted, anonymized
        return cls(
            sources=tuple(names[source] for source in roles.sources),
            oracles=tuple(names[oracle] for oracle in roles.oracles),
            images=reference.shape[1],
            failed=list(failed),
            rows=transfer(*compared, roles, classes),
            under=robustness(names, decisions),
            mistakes=mistakes(*compared, roles.sources[0], classes) if class_aware else None,
            keep=keep.text,
        )

    def _repr_html_(self) -> str:
        """How a notebook shows it: concordance per classifier, in %."""
        from jaxanon.classifiers.notebook import table  # needed by nobody else

        rows = [
            [
                row.name,
                percent(row.anonymized.kept if row.anonymized else None),
                percent(row.adapted.kept),
                percent(row.repair),
            ]
            for row in self.rows
        ]
        return table(["classifier", "anonymized", "adapted", "repaired"], rows)

    def as_json(self) -> dict[str, object]:
        """The report as its file has it; what was not asked for is left out."""
        result: dict[str, object] = {
            "schema": 1,
            "source": self.sources[0],
            "sources": list(self.sources),
            "images": self.images,
            "failed": self.failed,
            "classifiers": [asdict(row) for row in self.rows],
        }
        if self.oracles:
            result["oracles"] = list(self.oracles)
        if self.keep != TOP1.text:
            result["keep"] = self.keep
        if self.under:
            result["under"] = self.under
        if self.mistakes is not None:
            rows = [row.as_json() for row in self.mistakes.rows]
            result["class_aware"] = {"images": self.mistakes.images, "classifiers": rows}
        return result
