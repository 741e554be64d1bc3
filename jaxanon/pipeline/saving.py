"""Files beside their places: an image is written, read back, and looked at by the classifiers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxanon.adaptation.attempt import Adapted
from jaxanon.classifiers.outside.panel import Panel, Viewed
from jaxanon.errors import ImageError
from jaxanon.io.images import decode, encode
from jaxanon.io.results import WrittenPart
from jaxanon.pipeline.item import Failure, ImageState
from jaxanon.runtime.meter import Meter


@dataclass(frozen=True)
class Saved:
    """A file beside its place.

    Attributes:
        data: the bytes of the file.
        pixels: `(H, W, 3)` uint8, decoded from it.
        shown: these, as the classifiers get them.
    """

    data: bytes
    pixels: np.ndarray
    shown: Viewed


class Saver:
    """Writes what the loop made beside its place, and reads it back.

    Args:
        panel: all classifiers.
        form: `png`, `jpeg` or `webp`.
        meter: counts how long the host's work takes, by stage.
    """

    def __init__(self, panel: Panel, form: str, meter: Meter) -> None:
        self.panel, self.form, self.meter = panel, form, meter

    def save(self, adapted: Adapted[ImageState]) -> Saved | None:
        """Write an image, and look at what was written; None if that failed."""
        written = self.write(adapted)
        if written is None:
            return None
        data, pixels = written
        with self.meter.stage("resize for the classifiers"):
            return Saved(data, pixels, self.panel.look(pixels, data))

    def write(self, adapted: Adapted[ImageState]) -> tuple[bytes, np.ndarray] | None:
        """Write an image: the file's bytes, and `(H, W, 3)` uint8 read back; None if that failed.

        The failure is noted in the image's state.
        """
        state = adapted.job.key
        place = state.item.output
        try:
            with self.meter.stage("encode and write"):
                data = encode(adapted.image, self.form, one_channel=adapted.job.one_channel)
                place.write_part(data)
            with self.meter.stage("read back"):
                pixels = decode(WrittenPart(place))
                _refuse_unhidden(state, pixels)
        except (ImageError, MemoryError) as error:
            state.failure = Failure.from_error(state.item, error)
            return None
        return data, pixels


def _refuse_unhidden(state: ImageState, saved: np.ndarray) -> None:
    """Raise ImageError where private parts of the original have come through to the file."""
    hiding = state.baseline.hiding
    if hiding and (why := hiding.objection(saved)):
        raise ImageError(f"{state.item.input.name}: {why}")
