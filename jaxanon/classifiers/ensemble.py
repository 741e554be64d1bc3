"""Several classifiers that decide on images together, by compiled forward passes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxanon.classifiers.classifier import Classifier, forward
from jaxanon.classifiers.config import Config
from jaxanon.classifiers.keeping import TOP1, Keep, keeping
from jaxanon.classifiers.placed import placed
from jaxanon.classifiers.preprocessing import distinct_views, look
from jaxanon.classifiers.resizer import Given, LazyViews, Resized, Resizer
from jaxanon.errors import UsageError, WeightsError
from jaxanon.runtime import devices
from jaxanon.runtime.arrays import as_count, as_image, as_images, is_many
from jaxanon.runtime.meter import Meter

log = logging.getLogger(__name__)

RESIZE_ON = ("auto", "host", "device")
"""Where images are resized for classifiers; `auto` is the host for CPUs and else the device."""


class Views(Protocol):
    """The views of one image, one per classifier: `(size, size, 3)` uint8."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...

    def __iter__(self) -> Iterator[np.ndarray]: ...


class Ensemble:
    """Classifiers, each looking through its own preprocessing and deciding for itself.

    All forward passes run at one batch size, so that reference decisions, verification and
    evaluation share one compiled program per classifier. Any thread may ask.

    Args:
        classifiers: at least one, with distinct names.
        batch: images per compiled forward pass and device; by default what suits the device.
        mesh: the devices to compute on, see `jaxanon.runtime.devices.mesh`; all by default.
        meter: counts the time in which the device has work.
        resize_on: one of `RESIZE_ON`. The pixels are the same either way; an accelerator resizes
            for some percent of its time what takes most of the host's.

    Raises:
        UsageError: when the list is empty, a name stands twice, or `resize_on` is none of those.
    """

    def __init__(
        self,
        classifiers: Sequence[Classifier],
        batch: int | None = None,
        mesh: Mesh | None = None,
        meter: Meter | None = None,
        resize_on: str = "auto",
    ) -> None:
        given: list[Any] = list(classifiers) if is_many(classifiers) else [classifiers]
        for classifier in given:
            if not isinstance(classifier, Classifier):
                raise UsageError(f"{classifier!r} is no classifier; give [load_classifier(name)]")
        names = [classifier.name for classifier in given]
        duplicates = {name for name in names if names.count(name) > 1}
        if not names:
            raise UsageError("an ensemble needs at least one classifier")
        if duplicates:
            raise UsageError(f"classifiers named twice: {', '.join(sorted(duplicates))}")
        if not isinstance(mesh, Mesh | None):
            raise UsageError(f"mesh is {mesh!r}; give what jaxanon.runtime.devices.mesh makes")
        if resize_on not in RESIZE_ON:
            raise UsageError(f"resize_on is {resize_on!r}; one of {', '.join(RESIZE_ON)}")
        self.mesh = devices.mesh() if mesh is None else mesh
        if resize_on == "auto":
            resize_on = "host" if devices.platform(self.mesh) == "cpu" else "device"
        self.resize_on = resize_on
        self.meter = meter or Meter()
        self.classifiers: tuple[Classifier, ...] = tuple(given)
        self.networks = tuple(classifier.network for classifier in given)
        self.params = tuple(placed(classifier.params, self.mesh) for classifier in given)
        each = devices.at_once(self.mesh) if batch is None else as_count(batch, "batch")
        self.batch = each * self.mesh.size
        self._resizer = Resizer(self._configs, self.mesh)

    @property
    def _configs(self) -> list[Config]:
        return [classifier.config for classifier in self.classifiers]

    @property
    def names(self) -> list[str]:
        """The classifiers' names, in order."""
        return [classifier.name for classifier in self.classifiers]

    def html_of(
        self,
        images: Sequence[np.ndarray],
        decisions: np.ndarray,
        notes: Sequence[str],
        keep: Keep = TOP1,
    ) -> str:
        """Images in a grid with notes and decisions `(classifiers, images, ...)`, for notebooks."""
        from jaxanon.classifiers.notebook import gallery  # needed by nobody else

        named = [(each.name, each.config) for each in self.classifiers]
        listed = [[keep.listed(each) for each in row] for row in decisions]
        return gallery(images, notes, listed, named)

    def first(self, count: int) -> Ensemble:
        """The first `count` classifiers alone; their arrays on the devices are shared.

        Raises:
            UsageError: when `count` is no number, or below 1.
        """
        count = as_count(count, "the number of sources")
        part = copy(self)
        part.classifiers = self.classifiers[:count]
        part.networks, part.params = self.networks[:count], self.params[:count]
        part._resizer = Resizer(part._configs, self.mesh)
        return part

    def look(self, image: np.ndarray) -> Views:
        """Each classifier's view of an image `(H, W, 3)` uint8.

        Computed on the host; where the device resizes, not before it is asked for.

        Raises:
            UsageError: when it is no such image.
        """
        image = as_image(image, "image")
        configs = self._configs
        if self.resize_on == "device" and self._resizer.takes(image):
            return LazyViews(image, configs)
        first, number = distinct_views(configs)
        views = [look(image, configs[i]) for i in first]
        return tuple(views[n] for n in number)

    def logits(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Logits of images, one array `(images, classes)` float32 per classifier.

        Args:
            images: `(H, W, 3)` uint8 each, of any sizes.

        Raises:
            UsageError: when an image is not uint8 of shape `(H, W, 3)`.
            WeightsError: when a classifier's logits are not finite.
            DeviceMemoryError: when not one image fits into the device's memory.
        """
        given, size = as_images(images), self.batch
        parts = [
            self.logits_from_views([self.look(image) for image in given[i : i + size]])
            for i in range(0, max(len(given), 1), size)
        ]
        return [np.concatenate(scores) for scores in zip(*parts, strict=True)]

    def decide(self, images: Sequence[np.ndarray], keep: str = TOP1.text) -> np.ndarray:
        """Decisions on uint8 images `(H, W, 3)`: `(classifiers, images)` int, top-1 classes.

        Args:
            images: of any sizes.
            keep: what a decision is, as the setting of this name has it. For other values than
                `top1` the result has a further axis: `K` classes, ascending or in their order, or
                0 and 1 for each label.

        Raises:
            UsageError: for what is no image, or a rule that a classifier cannot be held to.
        """
        return self._rule(keep).decide_each(self.logits(images), self._configs)

    def decide_from_views(self, views: Sequence[Views], keep: str = TOP1.text) -> np.ndarray:
        """Decisions on views that `look` gave; the rest is as in `decide`."""
        return self._rule(keep).decide_each(self.logits_from_views(views), self._configs)

    def _rule(self, keep: str) -> Keep:
        rule = keeping(keep)
        for classifier in self.classifiers:
            rule.check(classifier.name, classifier.config)
        return rule

    def logits_from_views(self, views: Sequence[Views]) -> list[np.ndarray]:
        """Logits of views that `look` gave: `(images, classes)` float32 per classifier."""
        out = [
            np.zeros((len(views), classifier.config.num_classes), np.float32)
            for classifier in self.classifiers
        ]
        to_resize = [isinstance(one, LazyViews) and one.image is not None for one in views]
        for kind in (True, False):  # a batch goes to the device as pixels, or as views
            places = [place for place, whole in enumerate(to_resize) if whole is kind]
            self._fill(out, views, places)
        for classifier, scores in zip(self.classifiers, out, strict=True):
            if not np.isfinite(scores).all():
                raise WeightsError(f"{classifier.name}: its logits are not finite; wrong weights?")
        return out

    def _fill(
        self, logits: Sequence[np.ndarray], views: Sequence[Views], places: Sequence[int]
    ) -> None:
        """Compute the logits of the images at some places."""
        start, batch = 0, self.batch
        while start < len(places):
            chosen = places[start : start + batch]
            part = [views[place] for place in chosen]
            try:
                given = self._given(part, batch)
                with self.meter.device():
                    seen = None if given is None else self._resizer(given)
                    running = [
                        self._launch(i, part if seen is None else seen, batch)
                        for i in range(len(self.classifiers))
                    ]
                    for scores, result in zip(logits, running, strict=True):
                        scores[chosen] = jax.device_get(result)[: len(part)]
            except jax.errors.JaxRuntimeError as error:
                if not devices.out_of_memory(error):
                    raise
                batch = self._fewer(batch)
            else:
                start += len(part)
                if seen is not None:
                    seen.keep_for([one for one in part if isinstance(one, LazyViews)])

    def _fewer(self, batch: int) -> int:
        """Halve the batch, from now on; returns the new one."""
        each = devices.half(batch // self.mesh.size, "images", "take fewer classifiers")
        self.batch = min(self.batch, each * self.mesh.size)  # another thread may have been faster
        return self.batch

    def _given(self, views: Sequence[Views], batch: int) -> Given | None:
        """A batch as the device is given it to resize; None where it is resized already."""
        lazy = [one for one in views if isinstance(one, LazyViews)]
        images = [one.image for one in lazy if one.image is not None]
        if len(images) < len(views):
            return None
        with self.meter.stage("resize for the classifiers"):
            given = self._resizer.given(images, batch)
            self._resizer.check(images[0], given)
            if self._resizer.trusted:
                return given
            for one in lazy:
                one.make()
            return None

    def _launch(self, i: int, views: Sequence[Views] | Resized, batch: int) -> jax.Array:
        if isinstance(views, Resized):
            placed = jnp.asarray(views.views[self._resizer.number[i]])
        else:
            size = self.classifiers[i].config.input_size
            pixels = np.zeros((batch, size, size, 3), np.uint8)
            for slot, seen in zip(pixels, views, strict=False):
                slot[:] = seen[i]
            placed = jax.device_put(pixels, devices.split(self.mesh))
        result: jax.Array = forward(self.networks[i], self.mesh, self.params[i], placed)
        return result

    def compile(self) -> None:
        """Compile the forward passes of all classifiers ahead of their use, in parallel."""
        with ThreadPoolExecutor() as threads:
            list(threads.map(self._compile, range(len(self.classifiers))))

    def _compile(self, i: int) -> None:
        size = self.classifiers[i].config.input_size
        shape = (self.batch, size, size, 3)
        pixels = jax.ShapeDtypeStruct(shape, jnp.uint8, sharding=devices.split(self.mesh))
        forward.lower(self.networks[i], self.mesh, self.params[i], pixels).compile()
