"""What an attacker compares pictures by: logits, pixels, faces, decisions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial.distance import cdist

from jaxanon.metrics import directions

DECISION_PENALTY = 1e3
"""Added to a distance per decision that differs, so that decisions come first: distances by
features are at most two."""

Distances = Callable[[np.ndarray], np.ndarray]
"""Indices of probes, `(probes,)` int -> their distances to the gallery, `(probes, gallery)`."""


class Features(Protocol):
    """Features of every variant of every image, and how far apart they are."""

    def distances(self, probe: int, gallery: int) -> Distances:
        """Distances between two variants of the images.

        Args:
            probe: index of the variant that was published.
            gallery: index of the variant that it is compared with, of all images.
        """
        ...


@dataclass(frozen=True)
class LogitFeatures:
    """Compares the logits of classifiers: one minus their correlation, averaged over classifiers.

    Attributes:
        logits: per classifier `(images, variants, classes)`.
    """

    logits: Sequence[np.ndarray]

    def distances(self, probe: int, gallery: int) -> Distances:
        """Distances in [0, 2] between two variants of the images, see `Features`."""
        return _one_minus_correlation(self.logits, probe, gallery)


@dataclass(frozen=True)
class PixelFeatures:
    """Compares small pictures: one minus the correlation of their pixels.

    Attributes:
        thumbnails: `(images, variants, values)`.
    """

    thumbnails: np.ndarray

    def distances(self, probe: int, gallery: int) -> Distances:
        """Distances in [0, 2] between two variants of the images, see `Features`."""
        return _one_minus_correlation([self.thumbnails], probe, gallery)


@dataclass(frozen=True)
class FaceFeatures:
    """Compares faces: Euclidean distances of embeddings.

    Attributes:
        embeddings: `(faces, variants, 128)`.
    """

    embeddings: np.ndarray

    def distances(self, probe: int, gallery: int) -> Distances:
        """Distances between two variants of the faces, see `Features`."""
        return lambda faces: np.asarray(
            cdist(self.embeddings[faces, probe], self.embeddings[:, gallery])
        )


@dataclass(frozen=True)
class DecisionFeatures:
    """Compares decisions (top-1 classes): how many classifiers decide differently.

    Attributes:
        logits: per classifier `(images, variants, classes)`.
    """

    logits: Sequence[np.ndarray]

    def distances(self, probe: int, gallery: int) -> Distances:
        """Numbers of differing decisions between two variants of the images, see `Features`."""
        decided = [logits[:, probe].argmax(-1) for logits in self.logits]
        wanted = [logits[:, gallery].argmax(-1) for logits in self.logits]

        def differing(images: np.ndarray) -> np.ndarray:
            pairs = zip(decided, wanted, strict=True)
            differ = [probes[images][:, None] != originals for probes, originals in pairs]
            return np.asarray(np.sum(differ, 0, dtype=float))

        return differing


def with_decisions(distances: Distances, decisions: Distances, image_of: np.ndarray) -> Distances:
    """Distances for an attacker who knows decisions too: those that differ count before all else.

    Args:
        distances: by features, of faces or of images.
        decisions: numbers of differing decisions, of images.
        image_of: `(probes,)` int, the image of each face; of images, their own indices.
    """
    return lambda probes: (
        distances(probes) + DECISION_PENALTY * decisions(image_of[probes])[:, image_of]
    )


def _one_minus_correlation(kinds: Sequence[np.ndarray], probe: int, gallery: int) -> Distances:
    """One minus the correlation, averaged over arrays `(images, variants, features)`."""
    galleries = [directions(features[:, gallery]) for features in kinds]

    def distances(images: np.ndarray) -> np.ndarray:
        pairs = zip(kinds, galleries, strict=True)
        return np.asarray(
            1 - np.mean([directions(f[images, probe]) @ originals.T for f, originals in pairs], 0)
        )

    return distances
