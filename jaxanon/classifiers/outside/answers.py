"""Answers of others are never trusted: each becomes scores of the right form, or a reason."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import numpy as np

from jaxanon.classifiers.keeping import TOP1, Keep
from jaxanon.classifiers.outside.classifier import AnswerError, Known, Outside, Question
from jaxanon.errors import printable

MOST_SHOWN = 100
"""Characters of a wrong answer, or of what was raised, that an error shows."""


def ask(
    outside: Outside, pictures: Sequence[Question], keep: Keep = TOP1
) -> list[np.ndarray | AnswerError]:
    """A classifier's scores for pictures, or why there are none.

    Where it fails over several pictures at once, each is asked about alone, so that a picture
    that it cannot bear takes no other one with it.

    Args:
        outside: the classifier.
        pictures: what it is asked about.
        keep: what of its classes is compared; for more than the first, it must give scores.

    Returns:
        Per picture `(classes,)` float32, of which the largest is its decision.
    """
    if not pictures:
        return []
    try:
        answers = outside.answers(pictures)
        if isinstance(answers, str | bytes):
            raise AnswerError(f"answered {_shown(answers)}; expected a list, an answer per image")
        said = list(answers)
        if len(said) != len(pictures):
            raise AnswerError(f"gave {len(said)} answers for {len(pictures)} images")
    except Exception as error:
        if len(pictures) > 1:
            return [one for picture in pictures for one in ask(outside, [picture], keep)]
        return [_named(outside, _reason(error))]
    return [_checked(outside, one, keep) for one in said]


def as_scores(answer: object, known: Known) -> np.ndarray:
    """An answer as scores `(classes,)` float32; a bare decision has 1 at its class, 0 elsewhere.

    Raises:
        AnswerError: when it is none of these.
    """
    if isinstance(answer, str):
        return _one_hot(_number(answer, known), known)
    if isinstance(answer, Integral) and not isinstance(answer, bool):
        return _one_hot(int(answer), known)
    try:
        scores = np.asarray(answer)
        if scores.dtype.kind in "iuf" and scores.ndim <= 1:
            scores = scores.astype(np.float32)
    except (ValueError, TypeError, OverflowError):
        scores = np.empty(0, object)
    if scores.dtype == np.float32 and scores.shape == (known.num_classes,):
        if not np.isfinite(scores).all():
            raise AnswerError("gave scores that are not finite")
        return scores
    wanted = f"a class 0 to {known.num_classes - 1}, a name of one, or {known.num_classes} scores"
    raise AnswerError(f"answered {_shown(answer)}; expected {wanted}")


def _checked(outside: Outside, answer: object, keep: Keep) -> np.ndarray | AnswerError:
    if isinstance(answer, AnswerError):
        return _named(outside, str(answer))
    try:
        if keep.several and isinstance(answer, str | Integral):
            raise AnswerError(
                f"answered {_shown(answer)}, one class, of which keep {keep.text} cannot be told; "
                f"it must answer {outside.known.num_classes} scores, or keep be top1"
            )
        return as_scores(answer, outside.known)
    except Exception as error:  # to look at an answer may run its maker's code
        return _named(outside, _reason(error))


def _number(name: str, known: Known) -> int:
    if known.labels is None:
        raise AnswerError(
            f"answered {_shown(name)}, but its classes have no names; give labels=FILE"
        )
    if name in known.labels:
        return known.labels.index(name)
    raise AnswerError(f"answered {_shown(name)}, which is none of its {known.num_classes} classes")


def _one_hot(number: int, known: Known) -> np.ndarray:
    if not 0 <= number < known.num_classes:
        raise AnswerError(f"answered class {number}; its classes are 0 to {known.num_classes - 1}")
    scores = np.zeros(known.num_classes, np.float32)
    scores[number] = 1
    return scores


def _named(outside: Outside, reason: str) -> AnswerError:
    return AnswerError(f"{outside.name} {reason}")


def _reason(error: Exception) -> str:
    if isinstance(error, AnswerError):
        return str(error)
    return f"failed: {type(error).__name__}: {_shown(error)}"


def _shown(answer: object) -> str:
    try:
        text = printable(str(answer) if isinstance(answer, str | Exception) else repr(answer))
    except Exception:
        text = f"a {type(answer).__name__} that cannot be shown"
    return f"{text[:MOST_SHOWN]}..." if len(text) > MOST_SHOWN else text
