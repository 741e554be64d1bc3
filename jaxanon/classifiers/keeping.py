"""Which of a classifier's classes are to be kept: the first, the first few, or all labels present.

A decision is an array of int: the class of the largest logit, `()`; the classes of the K largest
ones, `(K,)`; or which labels are present, 0 or 1, `(classes,)`. Equal arrays are the same decision.
Only the losses of each rule stand elsewhere, in `jaxanon.adaptation.losses`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from jaxanon.classifiers.config import Classes
from jaxanon.errors import UsageError

Kind = Literal["class", "set", "order", "labels"]
FORMS = "top1, topK such as top3, topK! such as top3! for their order too, or labels"
"""What the option may be, in words."""


@dataclass(frozen=True)
class Keep:
    """A rule of what is to be kept; this one, `top1`, is the class of the largest logit.

    Attributes:
        text: the rule as the option writes it.
    """

    text: str

    @property
    def kind(self) -> Kind:
        """The sort of the rule, by which its losses are found."""
        return "class"

    @property
    def several(self) -> bool:
        """Whether a decision is more than one class: its array has an axis of its own."""
        return self.kind != "class"

    @property
    def noun(self) -> str:
        """What is kept, in words: the ... of a classifier."""
        return "decision"

    def check(self, name: str, classes: Classes) -> None:
        """Raise UsageError, which says what to do, where the rule is not for a classifier."""

    def shape(self, classes: Sequence[Classes]) -> tuple[int, ...]:
        """Shape of one decision of each of these classifiers, once they are put `together`."""
        return ()

    def scores(self, logits: Any, classes: Classes) -> Any:
        """What is compared: the logits `(..., classes)`, or their distances from thresholds."""
        return logits

    def decide(self, logits: np.ndarray, classes: Classes) -> np.ndarray:
        """The decisions of one classifier, by its logits `(..., classes)`; int, `(..., *shape)`."""
        return np.asarray(logits.argmax(-1))

    def decide_each(self, logits: Sequence[np.ndarray], classes: Sequence[Classes]) -> np.ndarray:
        """The decisions of several classifiers, `together`, by the logits of each."""
        pairs = zip(logits, classes, strict=True)
        return self.together([self.decide(scores, known) for scores, known in pairs])

    def together(self, decisions: Sequence[np.ndarray]) -> np.ndarray:
        """Decisions of several classifiers as one array, `(classifiers, ..., *shape)`."""
        return np.stack(decisions)

    def same(self, one: ArrayLike, other: ArrayLike) -> np.ndarray:
        """Where two arrays of decisions, `(..., *shape)`, are the same; bool `(...)`."""
        equal = np.equal(one, other)
        return np.asarray(equal.all(-1) if self.several else equal)

    def margin(self, scores: Any, wanted: Any, xp: Any = np) -> Any:
        """By how much one classifier prefers a decision, in logits; negative where it does not.

        Args:
            scores: `(classes,)` float, as `scores` gives them.
            wanted: the decision, `shape`.
            xp: the library of the arrays, numpy or jax.numpy.

        Returns:
            A float scalar: the smallest wanted score minus the largest other one; for an order
            the smallest difference of neighbours, too; for labels the smallest distance.
        """
        others = xp.where(xp.arange(len(scores)) == wanted, -xp.inf, scores)
        return scores[wanted] - others.max()

    def listed(self, decision: np.ndarray) -> list[int]:
        """A decision as reports have it, the numbers of its classes."""
        return [int(each) for each in np.atleast_1d(decision)]

    def read(self, listed: int | Sequence[int], num_classes: int) -> np.ndarray:
        """The decision that a report has as a class, or as `listed`."""
        return np.asarray(listed)

    def ways(self, num_classes: int) -> int:
        """Number of decisions that a classifier of so many classes may make."""
        return num_classes

    def problem(self, decisions: np.ndarray, num_classes: int) -> str | None:
        """Why these are no decisions, `(..., *shape)` of a classifier; None where they are."""
        fine = ((decisions >= 0) & (decisions < num_classes)).all()
        return None if fine else f"must be in 0..{num_classes - 1}"


@dataclass(frozen=True)
class KeepLargest(Keep):
    """`topK` and `topK!`: the classes of the `K` largest logits, as a set or in their order.

    A set is listed by number, an order by size; of equal logits the lower class comes first.

    Attributes:
        count: how many classes, K, at least 2 for an order.
        ordered: whether their order is to be kept, too.
    """

    count: int
    ordered: bool

    @property
    def kind(self) -> Kind:
        return "order" if self.ordered else "set"

    @property
    def noun(self) -> str:
        return f"{self.kind} of the {self.count} largest classes"

    def check(self, name: str, classes: Classes) -> None:
        most = classes.num_classes - 1
        if self.count > most:
            way = "top1" if most < 2 else f"top{most}{'!' * self.ordered} at most, or top1"
            raise _refused(self.text, f"{way}: {name} has {classes.num_classes} classes")

    def shape(self, classes: Sequence[Classes]) -> tuple[int, ...]:
        return (self.count,)

    def decide(self, logits: np.ndarray, classes: Classes) -> np.ndarray:
        largest = np.argsort(-logits, axis=-1, kind="stable")[..., : self.count]
        return largest if self.ordered else np.sort(largest, axis=-1)

    def margin(self, scores: Any, wanted: Any, xp: Any = np) -> Any:
        placed = scores[wanted]
        among = (wanted[:, None] == xp.arange(len(scores))[None]).any(0)
        above = placed.min() - xp.where(among, -xp.inf, scores).max()
        return xp.minimum(above, (placed[:-1] - placed[1:]).min()) if self.ordered else above

    def ways(self, num_classes: int) -> int:
        return (math.perm if self.ordered else math.comb)(num_classes, self.count)

    def problem(self, decisions: np.ndarray, num_classes: int) -> str | None:
        if wrong := super().problem(decisions, num_classes):
            return wrong
        if (np.diff(np.sort(decisions, axis=-1)) == 0).any():
            return f"must be {self.count} different classes"
        fine = self.ordered or (np.diff(decisions) > 0).all()
        return None if fine else "must be in ascending order, for they are sets"


@dataclass(frozen=True)
class KeepLabels(Keep):
    """`labels`: for each class whether it is present, its sigmoid at or above its threshold.

    The thresholds are those of `Config`. Put `together`, shorter decisions end in zeros.
    """

    @property
    def kind(self) -> Kind:
        return "labels"

    @property
    def noun(self) -> str:
        return "set of labels"

    def check(self, name: str, classes: Classes) -> None:
        if classes.thresholds is None:
            raise _refused(
                self.text,
                f"top1, or topK, with {name}, of whose scores it is not known from where on a "
                "label is present; an ONNX file can state `thresholds` beside its preprocessing",
            )

    def shape(self, classes: Sequence[Classes]) -> tuple[int, ...]:
        return (max(each.num_classes for each in classes),)

    def scores(self, logits: Any, classes: Classes) -> Any:
        thresholds = np.asarray(classes.thresholds, np.float64)
        distances = np.log(thresholds / (1 - thresholds)).astype(np.float32)
        return logits - distances.reshape((1,) * (logits.ndim - 1) + (-1,))

    def decide(self, logits: np.ndarray, classes: Classes) -> np.ndarray:
        return np.asarray(self.scores(logits, classes) >= 0, np.int64)

    def together(self, decisions: Sequence[np.ndarray]) -> np.ndarray:
        most = max(each.shape[-1] for each in decisions)
        whole = np.zeros((len(decisions), *decisions[0].shape[:-1], most), np.int64)
        for row, each in zip(whole, decisions, strict=True):
            row[..., : each.shape[-1]] = each
        return whole

    def margin(self, scores: Any, wanted: Any, xp: Any = np) -> Any:
        return (signs(wanted, len(scores)) * scores).min()

    def listed(self, decision: np.ndarray) -> list[int]:
        return super().listed(np.flatnonzero(decision))

    def read(self, listed: int | Sequence[int], num_classes: int) -> np.ndarray:
        return np.isin(np.arange(num_classes), listed).astype(np.int64)

    def ways(self, num_classes: int) -> int:
        return 1 << num_classes

    def problem(self, decisions: np.ndarray, num_classes: int) -> str | None:
        present = np.isin(decisions, (0, 1)).all() and not decisions[..., num_classes:].any()
        return None if present else f"must be 0 or 1, for {num_classes} labels"


def signs(present: Any, num_classes: int) -> Any:
    """1 for labels that are present, -1 for the others; `(classes,)` of `present`, `(most,)`."""
    return 2 * present[:num_classes] - 1


def keeping(text: str) -> Keep:
    """The rule that the option `keep` names.

    Raises:
        UsageError: for what is none.
    """
    if text in ("top1", "labels"):
        return TOP1 if text == TOP1.text else KeepLabels(text)
    found = re.fullmatch(r"top([1-9][0-9]{0,5})(!?)", str(text))
    if found and int(found[1]) > 1:
        return KeepLargest(text, int(found[1]), bool(found[2]))
    raise _refused(text, FORMS)


def _refused(text: str, wanted: str) -> UsageError:
    return UsageError(f"keep is {text!r}; it must be {wanted}")


TOP1 = Keep("top1")
"""The rule where none is named."""
