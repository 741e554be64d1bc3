"""How many images the host can feed to a device: a whole run whose device answers at once."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jax.sharding import Mesh

from jaxanon.adaptation.attempt import Attempt, Finished
from jaxanon.adaptation.problem import LAYOUT, K
from jaxanon.adaptation.settings import preset
from jaxanon.adaptation.slots import Slots
from jaxanon.anonymizers import make
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.classifiers.resizer import LazyViews, Resized
from jaxanon.io.kinds.folders import InputFile
from jaxanon.io.results import OutputFolder
from jaxanon.pipeline.item import ImageState
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.run import Run
from jaxanon.pipeline.stages import RunOptions, Stages
from jaxanon.pipeline.whole import whole_items


class InstantEnsemble(Ensemble):
    """Classifiers that decide at once, on class 0 always."""

    def logits_from_views(self, views: Sequence[Views]) -> list[np.ndarray]:
        """Zeros, once pixels or views stand in arrays as the device would be given them."""
        lazy = [one for one in views if isinstance(one, LazyViews) and one.image is not None]
        images = [one.image for one in lazy if one.image is not None]
        if images:
            self._resizer.given(images, len(images))
            sizes = [config.input_size for config in self._resizer.configs]
            nothing = [np.zeros((len(images), size, size, 3), np.uint8) for size in sizes]
            Resized(nothing, self._resizer.all).keep_for(lazy)
        arrays = [np.stack([seen[i] for seen in views]) for i in range(len(self.classifiers))]
        return [
            np.zeros((len(array), classifier.config.num_classes), np.float32)
            for array, classifier in zip(arrays, self.classifiers, strict=True)
        ]

    def compile(self) -> None:
        """Nothing to compile."""


class InstantSlots(Slots[K]):
    """Slots whose images are done as soon as they are in; nothing reaches a device."""

    def fill(self, waiting: deque[Attempt[K]]) -> None:
        """Take attempts."""
        for index, held in enumerate(self._held):
            if held is None and waiting:
                self._held[index] = waiting.popleft()

    def advance(self) -> list[Finished[K]]:
        """Give all back, after one step that changed nothing."""
        attempts = [held for held in self._held if held is not None]
        self._held = [None] * len(self._held)
        levels, steps = np.zeros((1, *LAYOUT), np.int16), np.ones(1, np.int32)
        return [Finished(attempt, levels, steps) for attempt in attempts]

    def _arrange(self, wanted: int) -> None:
        self.memory = 0
        self._slots_per_device = wanted
        self._held = [None] * (wanted * self.sources.mesh.size)


class InstantStages(Stages):
    """Stages in which the device's work takes no time."""

    ensemble_class = InstantEnsemble

    def make_slots(self) -> Slots[ImageState]:
        """Slots that answer at once."""
        return InstantSlots(self.sources, self.settings, self.slots_per_device)


class HostAlone(Run):
    """A run in which the device's work takes no time."""

    stages_class = InstantStages


def images_per_second(
    photos: Sequence[Path],
    classifiers: Sequence[Classifier],
    count: int = 200,
    resize_on: str = "auto",
    mesh: Mesh | None = None,
) -> float:
    """Images that the host takes from file to verified file per second, were the device infinite.

    Reading, blurring, resizing for the classifiers, encoding, writing, reading back, in as many
    threads as a run has; after a few images to warm up.

    Args:
        photos: image files, taken one after the other and again, until there are enough.
        classifiers: the sources.
        count: images to take.
        resize_on: whose work resizing for the classifiers is, see
            `jaxanon.classifiers.ensemble.Ensemble`.
        mesh: the devices to feed; all by default.
    """
    options = RunOptions(quiet=True, resize_on=resize_on, mesh=mesh)
    with tempfile.TemporaryDirectory(prefix="jaxanon-bench-") as folder:
        for number, images in ((0, 8), (1, count)):
            results = OutputFolder(Path(folder) / str(number))
            inputs = [InputFile(photos[i % len(photos)], Path(f"{i}.png")) for i in range(images)]
            items = whole_items(inputs, results, make("blur"))
            journal = Journal(results.lines(JOURNAL), {})
            run = HostAlone(items, classifiers, [], preset("fast"), journal, options)
            begin = time.perf_counter()
            run.execute()
            seconds = time.perf_counter() - begin
    return count / seconds
