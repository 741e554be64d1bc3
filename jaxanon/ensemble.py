"""Several classifiers asked together; the one home of the compiled forward passes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxanon.classifiers.classifier import Classifier
from jaxanon.errors import UsageError, WeightsError
from jaxanon.view import look

BATCH = 8
PIXELS_AT_ONCE = 64_000_000
"""A batch of full-resolution images ends early at so many pixels, to bound the memory."""


def check_images(images: Sequence[np.ndarray]) -> None:
    """Raise UsageError unless every image is uint8 of shape `(H, W, 3)`."""
    for i, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UsageError(f"image {i} is {image.dtype} {image.shape}, expected uint8 (H, W, 3)")


class Ensemble:
    """Classifiers, each looking through its own preprocessing and deciding for itself.

    All forward passes run at one batch size, so that reference decisions, verification and
    evaluation share one compiled program per classifier.

    Args:
        classifiers: at least one, with distinct names.
        batch: images per compiled forward pass.

    Raises:
        UsageError: when the list is empty or a name stands twice.
    """

    def __init__(self, classifiers: Sequence[Classifier], batch: int = BATCH) -> None:
        names = [classifier.name for classifier in classifiers]
        twice = {name for name in names if names.count(name) > 1}
        if not names:
            raise UsageError("an ensemble needs at least one classifier")
        if twice:
            raise UsageError(f"classifiers named twice: {', '.join(sorted(twice))}")
        if batch < 1:
            raise UsageError(f"batch must be at least 1, not {batch}")
        self.classifiers = tuple(classifiers)
        self.batch = batch

    @property
    def names(self) -> list[str]:
        """The classifiers' names, in order."""
        return [classifier.name for classifier in self.classifiers]

    def logits(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Per classifier `(images, classes)` float32, for uint8 `(H, W, 3)` images of any sizes.

        Raises:
            UsageError: when an image is not uint8 of shape `(H, W, 3)`.
            WeightsError: when a classifier's logits are not finite.
        """
        check_images(images)
        return [self._one(classifier, images) for classifier in self.classifiers]

    def decide(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Decisions (top-1 classes), `(classifiers, images)` int, for images as in `logits`."""
        return np.stack([scores.argmax(1) for scores in self.logits(images)])

    def _one(self, classifier: Classifier, images: Sequence[np.ndarray]) -> np.ndarray:
        size = classifier.config.input_size
        out = np.zeros((len(images), classifier.config.classes), np.float32)
        for start in range(0, len(images), self.batch):
            part = images[start : start + self.batch]
            pixels = np.zeros((self.batch, size, size, 3), np.float32)
            for i, image in enumerate(part):
                pixels[i] = look(image, classifier.config)
            pixels /= 255
            out[start : start + len(part)] = np.asarray(classifier.logits(pixels))[: len(part)]
        if not np.isfinite(out).all():
            raise WeightsError(f"{classifier.name}: its logits are not finite; wrong weights?")
        return out
