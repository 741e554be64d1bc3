"""Several classifiers asked together; the one home of the compiled forward passes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxanon.classifiers.classifier import Classifier, forward
from jaxanon.classifiers.preprocessing import look
from jaxanon.errors import DeviceMemoryError, UsageError, WeightsError
from jaxanon.runtime import devices
from jaxanon.runtime.meter import Meter

log = logging.getLogger("jaxanon")
PIXELS_AT_ONCE = 64_000_000
"""A batch of full-resolution images ends early at so many pixels, to bound the memory."""

NONE = "an ensemble needs at least one classifier"

Views = tuple[np.ndarray, ...]
"""What each classifier sees of one image, `(size, size, 3)` uint8."""


def check_images(images: Sequence[np.ndarray]) -> None:
    """Raise UsageError unless every image is uint8 of shape `(H, W, 3)`."""
    for i, image in enumerate(images):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise UsageError(f"image {i} is {image.dtype} {image.shape}, expected uint8 (H, W, 3)")


class Ensemble:
    """Classifiers, each looking through its own preprocessing and deciding for itself.

    All forward passes run at one batch size, so that reference decisions, verification and
    evaluation share one compiled program per classifier. Any thread may ask.

    Args:
        classifiers: at least one, with distinct names.
        batch: images per compiled forward pass and device; by default what suits the device.
        mesh: the devices to compute on, see `jaxanon.devices.mesh`; all by default.
        meter: told when the device works.

    Raises:
        UsageError: when the list is empty or a name stands twice.
    """

    def __init__(
        self,
        classifiers: Sequence[Classifier],
        batch: int | None = None,
        mesh: Mesh | None = None,
        meter: Meter | None = None,
    ) -> None:
        names = [classifier.name for classifier in classifiers]
        twice = {name for name in names if names.count(name) > 1}
        if not names:
            raise UsageError(NONE)
        if twice:
            raise UsageError(f"classifiers named twice: {', '.join(sorted(twice))}")
        if batch is not None and batch < 1:
            raise UsageError(f"batch must be at least 1, not {batch}")
        self.mesh = devices.mesh() if mesh is None else mesh
        self.meter = meter or Meter()
        self.classifiers = tuple(classifiers)
        self.networks = tuple(classifier.network for classifier in classifiers)
        self.params = tuple(
            jax.device_put(classifier.params, devices.shared(self.mesh))
            for classifier in classifiers
        )
        self.batch = (batch or devices.at_once(self.mesh)) * self.mesh.size

    @property
    def names(self) -> list[str]:
        """The classifiers' names, in order."""
        return [classifier.name for classifier in self.classifiers]

    def first(self, count: int) -> Ensemble:
        """The first `count` classifiers alone; their arrays on the devices are shared.

        Raises:
            UsageError: when that is none.
        """
        if not count:
            raise UsageError(NONE)
        part = copy(self)
        part.classifiers = self.classifiers[:count]
        part.networks, part.params = self.networks[:count], self.params[:count]
        return part

    def look(self, image: np.ndarray) -> Views:
        """Each classifier's view of an image `(H, W, 3)` uint8: the host's part of deciding."""
        return tuple(look(image, classifier.config) for classifier in self.classifiers)

    def logits(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Per classifier `(images, classes)` float32, for uint8 `(H, W, 3)` images of any sizes.

        Raises:
            UsageError: when an image is not uint8 of shape `(H, W, 3)`.
            WeightsError: when a classifier's logits are not finite.
            DeviceMemoryError: when not one image fits into the device's memory.
        """
        check_images(images)
        return self.logits_from_views([self.look(image) for image in images])

    def decide(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Decisions (top-1 classes), `(classifiers, images)` int, for images as in `logits`."""
        return _top(self.logits(images))

    def decide_from_views(self, views: Sequence[Views]) -> np.ndarray:
        """The same for images already looked at."""
        return _top(self.logits_from_views(views))

    def logits_from_views(self, views: Sequence[Views]) -> list[np.ndarray]:
        """`logits` of images already looked at."""
        out = [
            np.zeros((len(views), classifier.config.num_classes), np.float32)
            for classifier in self.classifiers
        ]
        start, batch = 0, self.batch
        while start < len(views):
            part = views[start : start + batch]
            try:
                with self.meter.device():
                    running = [self._launch(i, part, batch) for i in range(len(self.classifiers))]
                    for scores, result in zip(out, running, strict=True):
                        scores[start : start + len(part)] = jax.device_get(result)[: len(part)]
            except jax.errors.JaxRuntimeError as error:
                if not devices.out_of_memory(error):
                    raise
                batch = self._fewer(batch)
            else:
                start += len(part)
        for classifier, scores in zip(self.classifiers, out, strict=True):
            if not np.isfinite(scores).all():
                raise WeightsError(f"{classifier.name}: its logits are not finite; wrong weights?")
        return out

    def _fewer(self, batch: int) -> int:
        """Half as many images at once, from now on."""
        if batch == self.mesh.size:
            raise DeviceMemoryError(
                "the device's memory does not hold one image; take fewer classifiers"
            )
        log.warning("out of memory with %d images; going on with half of them", batch)
        self.batch = max(batch // self.mesh.size // 2, 1) * self.mesh.size
        return self.batch

    def _launch(self, i: int, views: Sequence[Views], batch: int) -> jax.Array:
        size = self.classifiers[i].config.input_size
        pixels = np.zeros((batch, size, size, 3), np.uint8)
        for slot, seen in zip(pixels, views, strict=False):
            slot[:] = seen[i]
        placed = jax.device_put(pixels, devices.split(self.mesh))
        result: jax.Array = forward(self.networks[i], self.mesh, self.params[i], placed)
        return result

    def compile(self) -> None:
        """Compile all forward passes ahead of their use, side by side."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(self._compile, range(len(self.classifiers))))

    def _compile(self, i: int) -> None:
        size = self.classifiers[i].config.input_size
        shape = (self.batch, size, size, 3)
        pixels = jax.ShapeDtypeStruct(shape, jnp.uint8, sharding=devices.split(self.mesh))
        forward.lower(self.networks[i], self.mesh, self.params[i], pixels).compile()


def _top(logits: list[np.ndarray]) -> np.ndarray:
    return np.stack([scores.argmax(1) for scores in logits])
