"""All classifiers of a run: those on our devices, and those that are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jaxanon.classifiers.config import Classes
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.classifiers.keeping import TOP1, Keep
from jaxanon.classifiers.outside.answers import ask
from jaxanon.classifiers.outside.classifier import NOT_SENT, Outside, Question
from jaxanon.errors import UsageError


@dataclass(eq=False)
class Viewed:
    """An image before the classifiers of a panel.

    Attributes:
        views: what those on our devices see of it.
        picture: what the others are asked about; None once they have been, or where there are none.
    """

    views: Views
    picture: Question | None


@dataclass(frozen=True)
class Scores:
    """What a panel says of some images.

    Attributes:
        logits: per classifier `(images, classes)` float32; of one from outside its scores.
        failures: place of an image -> why a classifier has no usable answer for it.
    """

    logits: Sequence[np.ndarray]
    failures: Mapping[int, str] = field(default_factory=dict)

    def of(self, place: int) -> list[np.ndarray]:
        """Every classifier's scores of one image."""
        return [rows[place] for rows in self.logits]


class Panel:
    """All classifiers of a run, those from outside after the others.

    Args:
        inside: those on our devices.
        outside: those that are asked.
        shows_originals: whether pictures among those that are asked about are to be hidden.
        keep: what of their classes is compared.

    Raises:
        UsageError: when a name stands twice, or one may not see what is to be hidden, or has not
            the classes to compare.
    """

    def __init__(
        self,
        inside: Ensemble,
        outside: Sequence[Outside] = (),
        *,
        shows_originals: bool = True,
        keep: Keep = TOP1,
    ) -> None:
        self.inside, self.outside, self.keep = inside, tuple(outside), keep
        for each in self.outside:
            if shows_originals and not each.sees_originals:
                raise UsageError(f"{each.name} {NOT_SENT}")
        for name in self.names:
            if self.names.count(name) > 1:
                raise UsageError(f"classifiers named twice: {name}")
        for name, known in self.classes.items():
            keep.check(name, known)

    @property
    def names(self) -> list[str]:
        """The classifiers' names, in order."""
        return [*self.inside.names, *(each.name for each in self.outside)]

    @property
    def classes(self) -> dict[str, Classes]:
        """Name -> what is known of a classifier's classes and weights."""
        inside = {each.name: each.config for each in self.inside.classifiers}
        return {**inside, **{each.name: each.known for each in self.outside}}

    @property
    def batch(self) -> int:
        """Images per compiled forward pass."""
        return self.inside.batch

    def decide(self, logits: Sequence[np.ndarray]) -> np.ndarray:
        """What the first classifiers decide, see `Keep`; `(classifiers, ..., *shape)` int.

        Args:
            logits: of each of them, `(..., classes)`.
        """
        return self.keep.decide_each(logits, [*self.classes.values()][: len(logits)])

    def look(
        self, image: np.ndarray, file: bytes | None = None, *, private: bool = False
    ) -> Viewed:
        """An image as the classifiers get it.

        Args:
            image: `(H, W, 3)` uint8.
            file: the image file with these pixels, for those that are sent it.
            private: whether it shows what is to be hidden.
        """
        picture = Question(image, file, private) if self.outside else None
        return Viewed(self.inside.look(image), picture)

    def ask(self, images: Sequence[Viewed], given_up: Mapping[int, str] | None = None) -> Scores:
        """Every classifier's scores of images that `look` gave.

        Those from outside are not asked about an image for which one of them has no usable answer.

        Args:
            images: the images.
            given_up: failures of before, which stand among those of the answer.
        """
        failures = dict(given_up or {})
        logits = self.inside.logits_from_views([each.views for each in images])
        if not self.outside:
            return Scores(logits, failures)
        pictures = [each.picture for each in images if each.picture is not None]
        if len(pictures) < len(images):
            raise ValueError("these images were asked about before")
        for outside in self.outside:
            rows = np.zeros((len(images), outside.known.num_classes), np.float32)
            places = [place for place in range(len(images)) if place not in failures]
            answers = ask(outside, [pictures[place] for place in places], self.keep)
            for place, said in zip(places, answers, strict=True):
                if isinstance(said, Exception):
                    failures[place] = str(said)
                else:
                    rows[place] = said
            logits.append(rows)
        for each in images:
            each.picture = None  # no pixels of an original wait for anything else
        return Scores(logits, failures)
