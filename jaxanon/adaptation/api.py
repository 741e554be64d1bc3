"""The Python face of adaptation: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxanon.adaptation.problem import prepare
from jaxanon.adaptation.settings import Settings, Success
from jaxanon.adaptation.settings import preset as named_preset
from jaxanon.adaptation.slots import Slots
from jaxanon.adaptation.stream import Adapted, stream
from jaxanon.classifiers.ensemble import Ensemble, check_images
from jaxanon.errors import UsageError

Status = Success | Literal["partly"]


@dataclass(frozen=True)
class Result:
    """What `adapt` and `attack` return; every list has one entry per image, in the order given.

    Attributes:
        images: adapted, uint8 `(H, W, 3)`, of the sizes given.
        status: `kept` where every source makes its reference decision on the adapted image,
            through its own preprocessing; after an attack `fooled` where none makes it, or
            `reached` where every source sees the class asked for; else `partly`.
        steps: gradient steps made.
        decisions: `(sources, images)` int, the decisions on the adapted images.
    """

    images: list[np.ndarray]
    status: list[Status]
    steps: list[int]
    decisions: np.ndarray


def adapt(
    anonymized: Sequence[np.ndarray],
    decisions: np.ndarray,
    ensemble: Ensemble,
    *,
    masks: Sequence[np.ndarray | None] | None = None,
    preset: str = "fast",
    slots: int | None = None,
    soft_labels: Sequence[np.ndarray] | None = None,
    **changes: Any,
) -> Result:
    """Perturb anonymized images until each source makes its reference decision again.

    An image's result depends on its pixels, mask, decisions and the seed alone: not on the other
    images, nor on their order.

    Args:
        anonymized: uint8 arrays `(H, W, 3)`, of any sizes.
        decisions: `(sources, images)` int, the decisions on the originals, as
            `ensemble.decide(originals)` gives them.
        ensemble: the sources.
        masks: per image a bool array `(H, W)`, true where pixels may change, or None.
        preset: `fast` or `transfer`.
        slots: images adapted at once, per device; by default what suits the device.
        soft_labels: per source `(images, classes)`, its probabilities on the originals, for
            `loss="soft"`: they reveal more of the originals than decisions do.
        changes: fields of `jaxanon.adaptation.settings.Settings`, such as `eps=8` or `seed=1`.

    Raises:
        UsageError: when shapes, types or options do not fit.
    """
    settings = _settings("keep", preset, changes)
    return _loop(anonymized, decisions, ensemble, masks, slots, soft_labels, settings)


def attack(
    images: Sequence[np.ndarray],
    ensemble: Ensemble,
    *,
    target_class: np.ndarray | int | None = None,
    masks: Sequence[np.ndarray | None] | None = None,
    preset: str = "fast",
    slots: int | None = None,
    **changes: Any,
) -> Result:
    """The reverse of `adapt`: perturb images until no source makes its decision any more.

    For measuring how mistakes transfer, see `jaxanon.evaluate.mistakes`.

    Args:
        images: uint8 arrays `(H, W, 3)`, of any sizes.
        ensemble: the sources.
        target_class: a class, or one per image, that every source is to see instead (a targeted
            attack); by default any other than its own decision (untargeted).
        masks: as in `adapt`.
        preset: as in `adapt`.
        slots: as in `adapt`.
        changes: as in `adapt`, but for `loss="soft"`, which leads back to the original.

    Raises:
        UsageError: when shapes, types or options do not fit.
    """
    settings = _settings("avoid" if target_class is None else "reach", preset, changes)
    if target_class is None:
        wanted = ensemble.decide(images)
    elif np.shape(target_class) in ((), (len(images),)):
        wanted = np.broadcast_to(target_class, (len(ensemble.names), len(images)))
    else:
        raise UsageError(
            f"target_class has shape {np.shape(target_class)}; give one class, or one for each of "
            f"{len(images)} images"
        )
    return _loop(images, wanted, ensemble, masks, slots, None, settings)


def _settings(goal: str, preset: str, changes: dict[str, Any]) -> Settings:
    if "goal" in changes:
        raise UsageError("goal is no option: `adapt` keeps decisions, `attack` avoids them")
    return named_preset(preset, **changes, goal=goal)


def _check_soft_labels(soft_labels: Sequence[np.ndarray], ensemble: Ensemble, images: int) -> None:
    if len(soft_labels) != len(ensemble.names):
        raise UsageError(f"{len(soft_labels)} soft_labels for {len(ensemble.names)} sources")
    for soft_label, classifier in zip(soft_labels, ensemble.classifiers, strict=True):
        expected = (images, classifier.config.num_classes)
        if soft_label.shape != expected:
            raise UsageError(
                f"soft_labels of {classifier.name} have shape {soft_label.shape}, "
                f"expected {expected}"
            )


def _loop(
    anonymized: Sequence[np.ndarray],
    decisions: np.ndarray,
    ensemble: Ensemble,
    masks: Sequence[np.ndarray | None] | None,
    slots: int | None,
    soft_labels: Sequence[np.ndarray] | None,
    settings: Settings,
) -> Result:
    wanted = np.asarray(decisions)
    if wanted.shape != (len(ensemble.names), len(anonymized)):
        raise UsageError(
            f"decisions have shape {wanted.shape}, expected (sources, images) = "
            f"({len(ensemble.names)}, {len(anonymized)})"
        )
    for row, classifier in zip(wanted, ensemble.classifiers, strict=True):
        classes = classifier.config.num_classes
        if ((row < 0) | (row >= classes)).any():
            raise UsageError(f"decisions of {classifier.name} must be in 0..{classes - 1}")
    check_images(anonymized)
    if masks is None:
        masks = [None] * len(anonymized)
    if len(masks) != len(anonymized):
        raise UsageError(f"{len(masks)} masks for {len(anonymized)} images")
    if soft_labels is not None:
        _check_soft_labels(soft_labels, ensemble, len(anonymized))
    for i, (image, mask) in enumerate(zip(anonymized, masks, strict=True)):
        if mask is not None and (mask.dtype != np.bool_ or mask.shape != image.shape[:2]):
            raise UsageError(
                f"mask {i} is {mask.dtype} {mask.shape}, expected bool {image.shape[:2]}"
            )
    everything = list(zip(range(len(anonymized)), anonymized, wanted.T, masks, strict=True))
    batches = (
        [
            prepare(
                i,
                image,
                decided,
                ensemble,
                settings,
                mask=mask,
                soft_labels=None if soft_labels is None else [rows[i] for rows in soft_labels],
            )
            for i, image, decided, mask in everything[start : start + ensemble.batch]
        ]
        for start in range(0, len(everything), ensemble.batch)
    )
    seen: dict[Any, np.ndarray] = {}

    def check(items: Sequence[Adapted]) -> list[bool]:
        made = ensemble.decide([item.image for item in items])
        seen.update((item.job.key, column) for item, column in zip(items, made.T, strict=True))
        return [
            bool(settings.reached(seen[item.job.key], item.job.problem.decisions).all())
            for item in items
        ]

    done: dict[Any, Adapted] = {}
    if everything:
        for item in stream(batches, Slots(ensemble, settings, slots), check):
            done[item.job.key] = item
    order = [done[i] for i in range(len(anonymized))]
    final = np.stack([seen[item.job.key] for item in order], axis=1) if order else wanted
    fine_ones = np.all(settings.reached(final, wanted), axis=0)
    return Result(
        images=[item.image for item in order],
        status=[settings.success if fine else "partly" for fine in fine_ones],
        steps=[item.steps for item in order],
        decisions=final,
    )
