"""The Python face of adaptation: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np

from jaxanon.adaptation.attempt import Adapted
from jaxanon.adaptation.option import must_be
from jaxanon.adaptation.problem import Job, prepare
from jaxanon.adaptation.settings import Goal, Settings, Success, preset
from jaxanon.adaptation.slots import Slots
from jaxanon.adaptation.stream import stream
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.keeping import TOP1, Keep, keeping
from jaxanon.errors import UsageError
from jaxanon.runtime.arrays import as_classes, as_images, check_mask, is_many

T = TypeVar("T")
Status = Success | Literal["partly"]
OF_RUNS = {
    "minimise": "False here, where no files are saved: use `jaxanon anonymize --minimise`",
    "queries": "0 here, where no oracles are asked: use `jaxanon anonymize --oracles`",
}
"""Settings that runs of the command line alone heed -> what they must be for arrays."""


@dataclass(frozen=True)
class Result:
    """What `adapt` and `attack` return; every list has one entry per image, in the order given.

    Attributes:
        images: adapted images, uint8 `(H, W, 3)`, of the sizes given.
        status: `kept` where every source makes its reference decision on the adapted image,
            through its own preprocessing; after an attack `fooled` where none makes it, or
            `reached` where every source sees the class asked for; else `partly`.
        steps: number of gradient steps made.
        decisions: `(sources, images)` int, the sources' decisions on the adapted images; shaped
            like those given, where `Settings.keep` is another than `top1`.
        ensemble: the sources.
        keep: what a decision is, as in the settings.
    """

    images: list[np.ndarray]
    status: list[Status]
    steps: list[int]
    decisions: np.ndarray
    ensemble: Ensemble = field(repr=False)
    keep: str = TOP1.text

    def _repr_html_(self) -> str:
        """How a notebook shows it: a grid of images with the sources' decisions."""
        notes = [f"{s}, {n} steps" for s, n in zip(self.status, self.steps, strict=True)]
        return self.ensemble.html_of(self.images, self.decisions, notes, keeping(self.keep))


@dataclass(frozen=True)
class _Inputs:
    """Images of a call, with all that the loop is told of them; checked when made.

    Attributes:
        images: uint8 arrays `(H, W, 3)`, of any sizes.
        decisions: `(sources, images)` int, to be kept, avoided or reached; `(sources, images,
            ...)` where a decision is more than a class.
        masks: per image a bool array `(H, W)`, true where pixels may change, or None.
        soft_labels: per source `(images, classes)`, its probabilities on the originals, or None.
        ensemble: the sources.
        keep: what a decision is.
    """

    images: Sequence[np.ndarray]
    decisions: np.ndarray
    masks: Sequence[np.ndarray | None] | None
    soft_labels: Sequence[np.ndarray] | None
    ensemble: Ensemble
    keep: Keep

    def __post_init__(self) -> None:
        self._check_decisions()
        self._check_masks()
        self._check_soft_labels()

    def _check_decisions(self) -> None:
        keep, classifiers = self.keep, self.ensemble.classifiers
        for each in classifiers:
            keep.check(each.name, each.config)
        own = keep.shape([each.config for each in classifiers])
        expected = (len(classifiers), len(self.images), *own)
        if self.decisions.shape != expected:
            more = f', as ensemble.decide(originals, keep="{keep.text}") gives them'
            raise UsageError(
                f"decisions have shape {self.decisions.shape}, expected (sources, images"
                f"{', ...' * keep.several}) = {expected}{more * keep.several}"
            )
        for row, each in zip(self.decisions, classifiers, strict=True):
            if wrong := keep.problem(row, each.config.num_classes):
                raise UsageError(f"decisions of {each.name} {wrong}")

    def _check_masks(self) -> None:
        if self.masks is None:
            return
        if len(self.masks) != len(self.images):
            raise UsageError(f"{len(self.masks)} masks for {len(self.images)} images")
        for i, (image, mask) in enumerate(zip(self.images, self.masks, strict=True)):
            if mask is not None:
                check_mask(mask, image, f"mask {i}")

    def _check_soft_labels(self) -> None:
        if self.soft_labels is None:
            return
        classifiers = self.ensemble.classifiers
        if len(self.soft_labels) != len(classifiers):
            raise UsageError(f"{len(self.soft_labels)} soft_labels for {len(classifiers)} sources")
        for soft_label, classifier in zip(self.soft_labels, classifiers, strict=True):
            expected = (len(self.images), classifier.config.num_classes)
            try:
                shape = np.asarray(soft_label, np.float32).shape
            except Exception as error:  # texts; what foreign arrays may raise
                raise UsageError(f"soft_labels of {classifier.name}: {error}") from error
            if shape != expected:
                raise UsageError(
                    f"soft_labels of {classifier.name} have shape {shape}, expected {expected}"
                )

    def batches(self, settings: Settings) -> Iterator[list[Job[int]]]:
        """The images stated for the loop, some at a time; their keys are their indices."""
        indices = range(len(self.images))
        for start in range(0, len(self.images), self.ensemble.batch):
            yield [self._job(i, settings) for i in indices[start : start + self.ensemble.batch]]

    def _job(self, i: int, settings: Settings) -> Job[int]:
        mask = None if self.masks is None else self.masks[i]
        image, decisions = self.images[i], self.decisions[:, i]
        job = prepare(i, image, decisions, self.ensemble, settings, mask=mask)
        if not settings.needs_soft_labels:
            return job
        if self.soft_labels is None:
            raise UsageError("the loss soft needs the sources' probabilities on the originals")
        return job.with_soft_labels([rows[i] for rows in self.soft_labels])


def adapt(
    anonymized: Sequence[np.ndarray],
    decisions: np.ndarray,
    ensemble: Ensemble,
    settings: Settings | None = None,
    *,
    masks: Sequence[np.ndarray | None] | None = None,
    slots: int | None = None,
    soft_labels: Sequence[np.ndarray] | None = None,
) -> Result:
    """Perturb anonymized images until each source makes its reference decision again.

    An image's result depends on its pixels, mask, decisions and the seed alone: not on the other
    images, nor on their order.

    Args:
        anonymized: uint8 arrays `(H, W, 3)`, of any sizes.
        decisions: `(sources, images)` int, the decisions on the originals, as
            `ensemble.decide(originals)` gives them; for the setting `keep="top3"`, say, as
            `ensemble.decide(originals, keep="top3")` does.
        ensemble: the sources.
        settings: options of the loop, such as `preset("transfer", steps=50)`; their goal is set to
            keep the decisions. By default the preset `balanced`, as on the command line. `minimise`
            and `queries` are of its runs alone, and are refused.
        masks: per image a bool array `(H, W)`, true where pixels may change, or None where all
            may; by default all pixels of all images may.
        slots: images adapted at once, per device; by default what suits the device.
        soft_labels: per source `(images, classes)`, its probabilities on the originals, for the
            loss `soft`: they reveal more of the originals than decisions do.

    Raises:
        UsageError: when shapes, types or options do not fit.
    """
    settings = _checked(settings, ensemble)
    images, wanted = as_images(anonymized), as_classes(decisions, "decisions")
    if not images and not wanted.size:
        wanted = wanted.reshape(len(ensemble.names), 0, *wanted.shape[2:])
    inputs = _Inputs(
        images,
        wanted,
        _listed(masks, "masks"),
        _listed(soft_labels, "soft_labels"),
        ensemble,
        settings.keeping,
    )
    return _loop(inputs, replace(settings, goal="keep"), slots)


def attack(
    images: Sequence[np.ndarray],
    ensemble: Ensemble,
    settings: Settings | None = None,
    *,
    target_class: np.ndarray | int | None = None,
    masks: Sequence[np.ndarray | None] | None = None,
    slots: int | None = None,
) -> Result:
    """The reverse of `adapt`: perturb images until no source makes its decision any more.

    It measures whether classifiers share mistakes (`jaxanon transfer --class-aware`).

    Args:
        images: uint8 arrays `(H, W, 3)`, of any sizes.
        ensemble: the sources.
        settings: options of the loop, such as `preset("fast", eps=8)`; their goal is set to avoid
            the sources' own decisions, or to reach the target class. The loss `soft` leads back to
            the original, and is refused. By default the preset `balanced`.
        target_class: a class, or one per image, that every source is to see instead (a targeted
            attack); by default any other than its own decision (untargeted).
        masks: per image a bool array `(H, W)`, true where pixels may change, or None where all
            may; by default all pixels of all images may.
        slots: images attacked at once, per device; by default what suits the device.

    Raises:
        UsageError: when shapes, types or options do not fit.
    """
    goal: Goal = "avoid" if target_class is None else "reach"
    settings = replace(_checked(settings, ensemble), goal=goal)
    pictures = as_images(images)
    if target_class is None:
        decisions = ensemble.decide(pictures)
    else:
        wanted = as_classes(target_class, "target_class")
        if wanted.shape not in ((), (len(pictures),)):
            raise UsageError(
                f"target_class has shape {wanted.shape}; give one class, or one for each of "
                f"{len(pictures)} images"
            )
        decisions = np.broadcast_to(wanted, (len(ensemble.names), len(pictures)))
    inputs = _Inputs(pictures, decisions, _listed(masks, "masks"), None, ensemble, settings.keeping)
    return _loop(inputs, settings, slots)


def _listed(arrays: Sequence[T] | None, name: str) -> Sequence[T] | None:
    """An iterator as a list: its items are asked for more than once."""
    if arrays is not None and not is_many(arrays):
        raise UsageError(f"{name} is {arrays!r}; give a list of arrays")
    return None if arrays is None else list(arrays)


def _checked(settings: object, ensemble: object) -> Settings:
    """The settings, or those by default; what stands for none, or does nothing here, is refused."""
    settings = preset() if settings is None else settings
    if not isinstance(settings, Settings):
        raise UsageError(f'settings is {settings!r}; give Settings or preset("transfer")')
    for name, wanted in OF_RUNS.items():
        if value := getattr(settings, name):
            raise UsageError(must_be(name, value, wanted))
    if not isinstance(ensemble, Ensemble):
        raise UsageError(f'ensemble is {ensemble!r}; give load_ensemble(["tf_efficientnet_lite0"])')
    return settings


def _loop(inputs: _Inputs, settings: Settings, slots: int | None) -> Result:
    """Send all images through the loop, and have every adapted image decided upon."""
    ensemble = inputs.ensemble
    decisions: dict[int, np.ndarray] = {}
    adapted: dict[int, Adapted[int]] = {}

    def check(images: Sequence[Adapted[int]]) -> list[bool]:
        decided = ensemble.decide([each.image for each in images], settings.keep)
        columns = decided.swapaxes(0, 1)
        decisions.update(zip((each.job.key for each in images), columns, strict=True))
        return [
            bool(settings.reached(column, inputs.decisions[:, each.job.key]).all())
            for each, column in zip(images, columns, strict=True)
        ]

    if len(inputs.images):
        running = Slots[int](ensemble, settings, slots)
        adapted = {each.job.key: each for each in stream(inputs.batches(settings), running, check)}
    ordered = [adapted[i] for i in range(len(inputs.images))]
    final = (
        np.stack([decisions[i] for i in range(len(ordered))], 1) if ordered else inputs.decisions
    )
    successes = np.all(settings.reached(final, inputs.decisions), axis=0)
    return Result(
        images=[each.image for each in ordered],
        status=[settings.success if success else "partly" for success in successes],
        steps=[each.steps for each in ordered],
        decisions=final,
        ensemble=ensemble,
        keep=settings.keep,
    )
