"""The Python face of adaptation: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from jaxanon.adaptation.problem import prepare
from jaxanon.adaptation.settings import preset as named_preset
from jaxanon.adaptation.slots import Slots
from jaxanon.adaptation.stream import Adapted, stream
from jaxanon.ensemble import Ensemble, check_images
from jaxanon.errors import UsageError

Status = Literal["kept", "partly"]


@dataclass(frozen=True)
class Result:
    """What `adapt` returns; every list has one entry per image, in the order given.

    Attributes:
        images: adapted, uint8 `(H, W, 3)`, of the sizes given.
        status: `kept` where every source makes its reference decision on the adapted image,
            through its own preprocessing; else `partly`.
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
        changes: fields of `jaxanon.adaptation.settings.Settings`, such as `eps=8` or `seed=1`.

    Raises:
        UsageError: when shapes, types or options do not fit.
    """
    settings = named_preset(preset, **changes)
    wanted = np.asarray(decisions)
    if wanted.shape != (len(ensemble.names), len(anonymized)):
        raise UsageError(
            f"decisions have shape {wanted.shape}, expected (sources, images) = "
            f"({len(ensemble.names)}, {len(anonymized)})"
        )
    for row, classifier in zip(wanted, ensemble.classifiers, strict=True):
        classes = classifier.config.classes
        if ((row < 0) | (row >= classes)).any():
            raise UsageError(f"decisions of {classifier.name} must be in 0..{classes - 1}")
    check_images(anonymized)
    if masks is None:
        masks = [None] * len(anonymized)
    if len(masks) != len(anonymized):
        raise UsageError(f"{len(masks)} masks for {len(anonymized)} images")
    for i, (image, mask) in enumerate(zip(anonymized, masks, strict=True)):
        if mask is not None and (mask.dtype != np.bool_ or mask.shape != image.shape[:2]):
            raise UsageError(
                f"mask {i} is {mask.dtype} {mask.shape}, expected bool {image.shape[:2]}"
            )
    everything = list(zip(range(len(anonymized)), anonymized, wanted.T, masks, strict=True))
    batches = (
        [
            prepare(i, image, decided, ensemble, settings, mask=mask)
            for i, image, decided, mask in everything[start : start + ensemble.batch]
        ]
        for start in range(0, len(everything), ensemble.batch)
    )
    seen: dict[Any, np.ndarray] = {}

    def check(items: Sequence[Adapted]) -> list[bool]:
        made = ensemble.decide([item.image for item in items])
        seen.update((item.job.key, column) for item, column in zip(items, made.T, strict=True))
        return [bool((seen[item.job.key] == item.job.problem.decisions).all()) for item in items]

    done: dict[Any, Adapted] = {}
    if everything:
        for item in stream(batches, Slots(ensemble, settings, slots), check):
            done[item.job.key] = item
    order = [done[i] for i in range(len(anonymized))]
    final = np.stack([seen[item.job.key] for item in order], axis=1) if order else wanted
    return Result(
        images=[item.image for item in order],
        status=["kept" if fine else "partly" for fine in (final == wanted).all(0)],
        steps=[item.steps for item in order],
        decisions=final,
    )
