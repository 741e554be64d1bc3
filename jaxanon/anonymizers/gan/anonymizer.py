"""Generated faces as an anonymizer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jaxanon.anonymizers.anonymizer import (
    Anonymized,
    Anonymizer,
    AnonymizerOptions,
    described,
    register,
)
from jaxanon.errors import UsageError
from jaxanon.io.files import fingerprint
from jaxanon.regions.region import Region
from jaxanon.runtime.seeds import content_seed


@dataclass(frozen=True)
class GanOptions(AnonymizerOptions):
    """Options of `Gan`.

    Attributes:
        gan: folder that `jaxanon train-gan` has written; required, though it has a default.
    """

    gan: Path | None = field(
        default=None, metadata=described("what `jaxanon train-gan` has made", "DIR", Path)
    )


@register
class Gan(Anonymizer):
    """Fills regions with faces drawn by a GAN that never saw what was there.

    Each image gets another person: the seed of the drawing follows from the run's seed and the
    pixels around the region, so that it depends on nothing private.

    Raises:
        UsageError: when no folder is given, or it holds no trained GAN.
    """

    name = "gan"
    summary = "generated faces"
    Options = GanOptions
    needs_region = True
    options: GanOptions

    def __init__(self, options: AnonymizerOptions | None = None, seed: int = 0) -> None:
        super().__init__(options, seed)
        if self.options.gan is None:
            raise UsageError("--method gan needs --gan DIR, the output of `jaxanon train-gan`")
        # Flax, optax and scipy are imported by whoever asks for the GAN alone.
        from jaxanon.anonymizers.gan import checkpoint
        from jaxanon.anonymizers.gan.filler import Filler

        folder = Path(self.options.gan)
        self._filler = Filler.load(folder)
        self._fingerprints = [fingerprint(path) for path in checkpoint.used(folder)]

    def __call__(self, original: np.ndarray, region: Region, view: int = 0) -> Anonymized:
        if region.mask is None:
            raise UsageError("method gan fills regions: give a region with a mask")
        around = np.where(region.mask[..., None], 0, original).astype(np.uint8)
        seed = int(content_seed(around, self.seed))
        return Anonymized(self._filler.fill(around, region.mask, seed))

    def recorded(self) -> dict[str, object]:
        return {
            "method": self.name,
            "strength": None,
            "gan": str(self.options.gan),
            "gan_state": self._fingerprints,
        }
