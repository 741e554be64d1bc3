"""What was measured on all examined images, stacked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.privacy.examine import ExaminedImage, Variant


class NothingToCompareError(Exception):
    """No image was examined."""


@dataclass(frozen=True)
class Measurements:
    """Measurements of all images and of all their faces.

    Attributes:
        variants: names of the second axis of the arrays below; the first is the original.
        logits: per classifier `(images, variants, classes)`.
        thumbnails: `(images, variants, values)`.
        faces: `(faces, variants, 128)` embeddings; None where no face was looked for or found.
        image_of_face: `(faces,)` int, index of the image that shows the face.
        found: stage -> `(faces,)` bool, whether the detector finds the face there.
        likeness: stage -> measure -> `(images,)`, likeness to the original.
    """

    variants: tuple[Variant, ...]
    logits: tuple[np.ndarray, ...]
    thumbnails: np.ndarray
    faces: np.ndarray | None
    image_of_face: np.ndarray
    found: Mapping[str, np.ndarray]
    likeness: Mapping[str, Mapping[str, np.ndarray]]

    def index(self, variant: Variant) -> int:
        """Index of a variant on the second axis of the arrays."""
        return self.variants.index(variant)


def gather(
    ensemble: Ensemble, variants: Sequence[Variant], images: Iterable[ExaminedImage]
) -> Measurements:
    """Stack what was measured, and get every classifier's logits, in the ensemble's batches.

    Args:
        ensemble: classifiers whose views the examined images hold.
        variants: variants of each image, in the order of the views.
        images: examined images; their views are dropped once the logits are there.

    Raises:
        NothingToCompareError: when there is no image.
    """
    logits: list[tuple[np.ndarray, ...]] = []
    examined: list[ExaminedImage] = []
    remaining = iter(images)
    while batch := list(islice(remaining, ensemble.batch)):
        by_variant = [
            ensemble.logits_from_views(views)
            for views in zip(*(image.views for image in batch), strict=True)
        ]
        logits.append(tuple(np.stack(scores, 1) for scores in zip(*by_variant, strict=True)))
        examined += [image.without_views() for image in batch]
    if not examined:
        raise NothingToCompareError
    faces = [face for image in examined for face in image.faces or ()]
    return Measurements(
        variants=tuple(variants),
        logits=tuple(np.concatenate(parts) for parts in zip(*logits, strict=True)),
        thumbnails=np.stack([image.thumbnails for image in examined]),
        faces=np.stack([face.embeddings for face in faces]) if faces else None,
        image_of_face=np.array([i for i, e in enumerate(examined) for _ in e.faces or ()], int),
        found={
            stage: np.array([face.found[stage] for face in faces], bool)
            for stage in (faces[0].found if faces else ())
        },
        likeness={
            stage: {
                measure: np.array([image.likeness[stage][measure] for image in examined])
                for measure in measures
            }
            for stage, measures in examined[0].likeness.items()
        },
    )
