"""Inverse super resolution as an anonymizer: low-resolution views of each image, enlarged."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxanon.anonymizers import super_resolution
from jaxanon.anonymizers.anonymizer import (
    Anonymized,
    Anonymizer,
    AnonymizerOptions,
    described,
    register,
)
from jaxanon.anonymizers.blending import blended
from jaxanon.anonymizers.motions import (
    CANDIDATES,
    Motion,
    as_json,
    candidates,
    from_json,
    read_motions,
    select,
)
from jaxanon.anonymizers.strength import REFERENCE_SIDE
from jaxanon.errors import ImageError, UsageError
from jaxanon.metrics import softmax
from jaxanon.regions.region import Region

if TYPE_CHECKING:
    from jaxanon.classifiers.ensemble import Ensemble, Views

log = logging.getLogger("jaxanon")
PROBES = 12
"""Images that a set of motions is chosen on: the first of a run that can be read."""


@dataclass(frozen=True)
class IsrOptions(AnonymizerOptions):
    """Options of `InverseSuperResolution`.

    Attributes:
        size: width and height of a low-resolution view of a landscape image, in pixels, written
            `WIDTHxHEIGHT`; turned for a portrait.
        views: low-resolution views of each image, 1 to 24, or to the motions of the file; where
            None as many as the file has motions, else 1.
        motions: the `isr.json` of an earlier run, whose motions are taken; where None they are
            chosen for the run.
    """

    size: str = field(
        default="16x12", metadata=described("pixels of a view of a landscape image", "WxH", str)
    )
    views: int | None = field(
        default=None,
        metadata=described("views of each image (default: 1, or all of --motions)", "K", int),
    )
    motions: Path | None = field(
        default=None,
        metadata=described("motions of an earlier run, its isr.json", "FILE.json", Path),
    )


@register
class InverseSuperResolution(Anonymizer):
    """Shows views of extremely low resolution, each moved a little.

    Source: Ryoo, Rothrock, Fleming and Yang, "Privacy-Preserving Human Activity Recognition from
    Extreme Low Resolution", AAAI 2017; what it does is in `super_resolution` and `motions`.

    The motions are those of the options' file, else `prepare` chooses them among the seed's random
    candidates; until then the first candidates stand.

    Raises:
        UsageError: for a size or number of views that is out of range, or an unusable file.
    """

    name = "isr"
    summary = "low-resolution views"
    Options = IsrOptions
    has_low_resolution = True
    state_file = "isr.json"
    options: IsrOptions

    def __init__(self, options: AnonymizerOptions | None = None, seed: int = 0) -> None:
        super().__init__(options, seed)
        self.size = super_resolution.parse_size(self.options.size)
        listed = read_motions(Path(self.options.motions)) if self.options.motions else []
        views, most = self.options.views, len(listed) or CANDIDATES
        if views is not None and not 1 <= views <= most:
            raise UsageError(f"--views is {views}; it must be 1 to {most}")
        self.views = views or len(listed) or 1
        self.fixed = listed[: self.views]
        self.motions = self.fixed or candidates(seed)[: self.views]

    def __call__(self, original: np.ndarray, region: Region, view: int = 0) -> Anonymized:
        low = super_resolution.low_resolution(original, self.size, self.motions[view])
        large = super_resolution.enlarged(low, *original.shape[:2])
        return Anonymized(blended(region, original, large), low)

    def recorded(self) -> dict[str, object]:
        return {
            **super().recorded(),
            "size": "{}x{}".format(*self.size),
            "views": self.views,
            "motions": [asdict(motion) for motion in self.fixed] or None,
        }

    @classmethod
    def equivalent_blur(cls, recorded: Mapping[str, object]) -> float | None:
        """The blur before the decimation, which is a share of a view's pixel."""
        size = super_resolution.parse_size(str(recorded.get("size") or cls.Options.size))
        return super_resolution.SHARPNESS * REFERENCE_SIDE / min(size)

    def prepare(self, sources: Ensemble, originals: Iterable[np.ndarray]) -> None:
        """Choose motions by maximum entropy on the first images, where no file names them."""
        if not self.fixed:
            self.motions = self._choose(candidates(self.seed), sources, originals)

    def state(self) -> dict[str, object] | None:
        return as_json(self.motions)

    def restore(self, state: object) -> None:
        try:
            kept = from_json(state)
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"no motions of an earlier run ({error!r}); give --overwrite"
            ) from error
        if len(kept) < self.views:
            raise UsageError(f"fewer than {self.views} motions; give --overwrite")
        self.motions = kept[: self.views]

    def _choose(
        self, pool: list[Motion], sources: Ensemble, originals: Iterable[np.ndarray]
    ) -> list[Motion]:
        """The candidates that leave the sources least certain of the first images."""
        from jaxanon.runtime import workers

        log.info("choosing motions: %d of %d, by the first images", self.views, len(pool))
        shown: list[Views] = []
        with workers.pool() as threads:
            for original in originals:
                try:
                    shown += list(threads.map(partial(self._look, sources, original), pool))
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
        return [pool[place] for place in select(scores, self.views)]

    def _look(self, sources: Ensemble, original: np.ndarray, motion: Motion) -> Views:
        """What the sources see of an image under a motion; nothing larger is kept."""
        low = super_resolution.low_resolution(original, self.size, motion)
        return tuple(sources.look(super_resolution.enlarged(low, *original.shape[:2])))
