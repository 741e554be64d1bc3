"""The anonymizers of `jaxanon anonymize`, each with its options."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxanon.adaptation.problem import content_seed
from jaxanon.anonymizers import isr
from jaxanon.anonymizers.naive import anonymize, inside, strength_of
from jaxanon.classifiers.ensemble import Ensemble, Views
from jaxanon.errors import ImageError, UsageError
from jaxanon.io import files, images
from jaxanon.metrics import softmax
from jaxanon.pipeline.manifest import fingerprint, write_json
from jaxanon.regions.boxes import Region
from jaxanon.runtime import workers

log = logging.getLogger("jaxanon")
MOTIONS = "isr.json"
PROBES = 12
"""Images that a set of motions is chosen on: the first of a run that can be read."""
MOST_VIEWS = isr.CANDIDATES


class Hidden(NamedTuple):
    """An anonymized image, and the low-resolution view behind it, if there is one."""

    anonymized: np.ndarray
    low: np.ndarray | None = None


class Method(ABC):
    """How a run hides what is private.

    Attributes:
        options: all that the result depends on, for report and journal.
        views: images made from each input.
    """

    options: dict[str, Any]
    views = 1

    def prepare(
        self, sources: Ensemble, inputs: Sequence[files.InputFile], output: Path, *, resume: bool
    ) -> None:
        """What must be done once before the first image; nothing, for most."""
        return

    @abstractmethod
    def __call__(self, original: np.ndarray, region: Region, view: int) -> Hidden:
        """Anonymize `(H, W, 3)` uint8 inside a region; `view` counts from 0."""


class Naive(Method):
    """Blur, pixelate, solid."""

    def __init__(self, args: Namespace, _seed: int) -> None:
        self.method, self.strength = args.method, strength_of(args.method, args.strength)
        self.options = {"method": self.method, "strength": self.strength}

    def __call__(self, original: np.ndarray, region: Region, view: int) -> Hidden:
        return Hidden(anonymize(original, region, self.method, self.strength))


class InverseSuperResolution(Method):
    """Low-resolution views under motions chosen for the run; see `jaxanon.isr`.

    The motions are kept in the output folder, so that a resumed run has the same ones.
    """

    def __init__(self, args: Namespace, seed: int) -> None:
        strength_of(args.method, args.strength)
        self.seed = seed
        self.size = isr.size_of(args.size)
        self.motions = isr.read_motions(args.motions) if args.motions else []
        views = args.views
        if views is not None and not 1 <= views <= (len(self.motions) or MOST_VIEWS):
            most = len(self.motions) or MOST_VIEWS
            raise UsageError(f"--views is {views}; it must be 1 to {most}")
        self.views = views or len(self.motions) or 1
        self.motions = self.motions[: self.views]
        self.options = {
            "method": "isr",
            "strength": None,
            "size": "{}x{}".format(*self.size),
            "views": self.views,
            "save_views": str(args.save_views) if args.save_views else None,
            "motions": [asdict(motion) for motion in self.motions] or None,
        }

    def prepare(
        self, sources: Ensemble, inputs: Sequence[files.InputFile], output: Path, *, resume: bool
    ) -> None:
        kept = output / MOTIONS
        if resume and kept.is_file():
            self.motions = isr.read_motions(kept)[: self.views]
            if len(self.motions) < self.views:
                raise UsageError(f"{kept} has fewer than {self.views} motions; give --overwrite")
        elif not self.motions:
            self.motions = self._choose(isr.candidates(self.seed), sources, inputs)
        write_json(kept, isr.as_json(self.motions))

    def _choose(
        self, pool: list[isr.Motion], sources: Ensemble, inputs: Sequence[files.InputFile]
    ) -> list[isr.Motion]:
        """Of the candidates, those that leave the sources least certain of the first images."""
        log.info("choosing motions: %d of %d, by the first images", self.views, len(pool))
        shown: list[Views] = []
        with workers.pool() as threads:
            for source in inputs:
                try:
                    original = images.decode(source.path)
                    seen = partial(self._seen, sources, original)
                    shown += list(threads.map(seen, pool))
                except (ImageError, MemoryError):
                    continue  # the run names it when its turn comes
                if len(shown) == PROBES * len(pool):
                    break
        if not shown:
            return pool[: self.views]
        scores = [
            softmax(logits).reshape(-1, len(pool), logits.shape[-1]).swapaxes(0, 1)
            for logits in sources.logits_from_views(shown)
        ]
        return [pool[place] for place in isr.select(scores, self.views)]

    def _seen(self, sources: Ensemble, original: np.ndarray, motion: isr.Motion) -> Views:
        """What the sources see of a view; nothing larger is kept."""
        low = isr.view(original, self.size, motion)
        return sources.look(isr.enlarged(low, *original.shape[:2]))

    def __call__(self, original: np.ndarray, region: Region, view: int) -> Hidden:
        low = isr.view(original, self.size, self.motions[view])
        large = isr.enlarged(low, *original.shape[:2])
        return Hidden(inside(region, original, large, soft=False), low)


class Generated(Method):
    """Faces made by a GAN that never saw what was there; see `jaxanon.gan`."""

    def __init__(self, args: Namespace, seed: int) -> None:
        strength_of(args.method, args.strength)
        if args.gan is None:
            raise UsageError("--method gan needs --gan DIR, the output of `jaxanon train-gan`")
        if args.regions == "whole":
            raise UsageError("--method gan fills regions: give --regions faces, boxes or masks")
        from jaxanon.anonymizers.gan import checkpoint
        from jaxanon.anonymizers.gan.filler import Filler

        self.filler, self.seed = Filler.load(args.gan), seed
        self.options = {
            "method": "gan",
            "strength": None,
            "gan": str(args.gan),
            "gan_state": [fingerprint(path) for path in checkpoint.used(args.gan)],
        }

    def __call__(self, original: np.ndarray, region: Region, view: int) -> Hidden:
        assert region.mask is not None
        around = np.where(region.mask[..., None], 0, original).astype(np.uint8)
        seed = int(content_seed(around, self.seed))  # another person in each image
        return Hidden(self.filler.fill(around, region.mask, seed))


OWN = {"isr": ("size", "views", "motions", "save_views"), "gan": ("gan",)}
"""Options that only one method has."""


def method(args: Namespace, seed: int) -> Method:
    """The anonymizer that the arguments ask for, with the seed of the run.

    Raises:
        UsageError: for an unknown one, or options that are not its own.
    """
    strength_of(args.method, None)
    for owner, names in OWN.items():
        for name in names:
            if args.method != owner and getattr(args, name) is not None:
                option = "--" + name.replace("_", "-")
                raise UsageError(f"{option} goes with --method {owner}, not with {args.method}")
    kinds = {"isr": InverseSuperResolution, "gan": Generated}
    return kinds.get(args.method, Naive)(args, seed)
