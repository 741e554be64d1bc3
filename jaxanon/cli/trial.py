"""One photo, tried out: what `jaxanon anonymize` makes of it, for a page that shows it."""

from __future__ import annotations

import io
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.labels import label
from jaxanon.cli import parser
from jaxanon.cli.adaptation_run import carry_out
from jaxanon.cli.anonymize import anonymizing_task
from jaxanon.cli.common import among
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.images import read_image, write_image
from jaxanon.metrics import directions
from jaxanon.pipeline.hiding import is_untouched
from jaxanon.pipeline.report import Report

MOST_BYTES = 20_000_000
"""Bytes of a photo at most."""
MOST_PIXELS = 16_000_000
"""Pixels of a photo at most."""
IN_MEMORY = Path("/dev/shm")
"""A folder that lies in memory, on Linux."""


@dataclass(frozen=True)
class Choices:
    """What is to be done with the photo.

    Attributes:
        method: `blur`, `pixelate` or `solid`.
        strength: of it.
        preset: of the loop.
        regions: `whole`, `faces`, or `painted`.
    """

    method: str
    strength: float
    preset: str
    regions: str


@dataclass(frozen=True)
class Tried:
    """What came of a photo.

    Attributes:
        anonymized: uint8 `(H, W, 3)`.
        adapted: the same, read off the saved file.
        file: bytes of that file, a PNG.
        rows: per classifier its name, role, and decisions on the original, the anonymized and the
            adapted photo, in words.
        views: what each classifier sees, and its decision, of the anonymized photo and the adapted
            one: (picture, words).
        figures: what was changed, and what it can have given away, as Markdown.
    """

    anonymized: np.ndarray
    adapted: np.ndarray
    file: bytes
    rows: Sequence[Sequence[str]]
    views: Sequence[tuple[np.ndarray, str]]
    figures: str


class Trial:
    """Tries photos on classifiers that are loaded once. Nothing is kept.

    Args:
        sources: classifiers to adapt to, by the names that are given.
        targets: those that only look.
    """

    def __init__(
        self, sources: Mapping[str, Classifier], targets: Mapping[str, Classifier]
    ) -> None:
        self.sources, self.targets = sources, targets
        self._loaded = {**sources, **targets}
        self._ensemble = Ensemble([*self._loaded.values()])

    def run(self, photo: bytes, painted: np.ndarray | None, choices: Choices) -> Tried:
        """Hide what is private, adapt, save, verify.

        Args:
            photo: bytes of an image file.
            painted: bool `(height, width)` of any size, true where the photo is private; for the
                regions `painted` alone.
            choices: what is to be done.

        Raises:
            ImageError: when the photo cannot be used.
            UsageError: for choices that cannot be.
        """
        _check_size(photo)
        with tempfile.TemporaryDirectory(prefix="jaxanon-", dir=folder_in_memory()) as name:
            folder = Path(name)
            (folder / "in").mkdir()
            path = folder / "in" / "photo.png"
            original = upright(photo)
            write_image(path, original)  # upright, as it was shown to whoever painted
            regions = choices.regions
            if regions == "painted":
                regions = str(_write_mask(folder, painted, original.shape[:2]))
            args = self._words(path, folder, choices, regions)
            report = carry_out(args, *anonymizing_task(args), among(self._loaded))
            [record] = report["images"]
            if record["output"] is None:
                raise ImageError(str(record["error"]).replace(f"{path}: ", "").replace(name, ""))
            if is_untouched(record["changed"]):
                raise ImageError(
                    "nothing private was found in the photo, so nothing would be hidden: paint "
                    "over what is private, or choose all of it"
                )
            saved = Path(record["output"])
            before = read_image(next((folder / "before").iterdir()))
            return self._tried(report, original, before, saved)

    def _words(self, path: Path, folder: Path, choices: Choices, regions: str) -> Namespace:
        """The command line that does the same.

        Raises:
            UsageError: for a strength that is no number.
        """
        if choices.method != "solid" and not isinstance(choices.strength, int | float):
            raise UsageError("give a strength, as a number")
        words = ["anonymize", str(path), "-o", str(folder / "out"), "--quiet"]
        words += ["--save-anonymized", str(folder / "before"), "--regions", regions]
        words += ["--method", choices.method]
        words += [] if choices.method == "solid" else ["--strength", str(choices.strength)]
        words += ["--preset", choices.preset, "--sources", ",".join(self.sources)]
        words += ["--targets", ",".join(self.targets)] if self.targets else []
        return parser().parse_args(words)

    def _tried(
        self, report: Report, original: np.ndarray, before: np.ndarray, saved: Path
    ) -> Tried:
        after = read_image(saved)
        [record] = report["images"]
        rows, views = [], list[tuple[np.ndarray, str]]()
        seen = [self._ensemble.look(image) for image in (before, after)]
        for number, each in enumerate(self._ensemble.classifiers):
            found = record["decisions"][each.name]
            said = {key: label(each.config, int(value)) for key, value in found.items()}
            role = "source" if number < len(self.sources) else "target"
            stages = ("reference", "anonymized", "adapted")
            rows.append([each.name, role, *(said[stage] for stage in stages)])
            for stage, views_of in zip(("anonymized", "adapted"), seen, strict=True):
                words = f"{each.name.partition('.')[0]}, {stage}: {said[stage]}"
                views.append((np.asarray(views_of[number]), words))
        figures = self._figures(report, [original, before, after])
        return Tried(before, after, saved.read_bytes(), rows, views, figures)

    def _figures(self, report: Report, images: Sequence[np.ndarray]) -> str:
        """What was changed, and how similar the results are to the original."""
        [record] = report["images"]
        logits = self._ensemble.logits(list(images))
        alike = []
        for rows in logits:
            unit = directions(np.asarray(rows, np.float64))
            alike.append((unit[1:] @ unit[0]).tolist())
        before, after = np.mean(alike, 0)
        lines = [
            f"**{record['status']}** after {record['steps']} gradient steps; pixels changed by at "
            f"most {record['linf']}/255.",
            f"Similarity to the original, by the classifiers' logits (correlation; 1 is the same): "
            f"anonymized {before:.2f}, adapted {after:.2f}.",
        ]
        if "guarantee" in report:
            lines.append(f"What it can give away: {report['guarantee']['text']}.")
        return "\n\n".join(lines)


def folder_in_memory() -> Path | None:
    """A folder that lies in memory; None where the system has none."""
    return IN_MEMORY if IN_MEMORY.is_dir() else None


def upright(photo: bytes) -> np.ndarray:
    """The pixels of a photo as it is looked at, uint8 `(H, W, 3)`.

    Raises:
        ImageError: when it cannot be read.
    """
    with tempfile.NamedTemporaryFile(dir=folder_in_memory()) as file:
        file.write(photo)
        file.flush()
        try:
            return read_image(file.name)
        except ImageError as error:
            raise ImageError(str(error).replace(file.name, "the photo")) from error


def _check_size(photo: bytes) -> None:
    """Refuse what is no picture, and what is too large.

    Raises:
        ImageError: for no picture, and for one that is too large.
    """
    if len(photo) > MOST_BYTES:
        raise ImageError(f"the file has more than {MOST_BYTES // 1_000_000} MB; make it smaller")
    try:
        with Image.open(io.BytesIO(photo)) as image:
            width, height = image.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(
            "the file cannot be read as a picture; give a JPEG, PNG or WebP"
        ) from error
    if width * height > MOST_PIXELS:
        raise ImageError(
            f"the photo has {width} x {height} pixels, more than {MOST_PIXELS / 1e6:.0f} million; "
            "make it smaller"
        )


def _write_mask(folder: Path, painted: np.ndarray | None, size: tuple[int, int]) -> Path:
    """Write what was painted as a mask of the photo's size; returns its folder.

    Raises:
        UsageError: where nothing was painted.
    """
    if painted is None or not painted.any():
        raise UsageError("nothing is painted: paint over what is private, or choose the whole")
    (folder / "masks").mkdir()
    height, width = size
    mask = Image.fromarray(painted.astype(np.uint8) * 255)
    # Each pixel that a painted one touches is private.
    enlarged = mask.resize((width, height), Image.Resampling.BOX)
    private = Image.fromarray((np.asarray(enlarged) > 0).astype(np.uint8) * 255)
    private.save(folder / "masks" / "photo.png")
    return folder / "masks"
