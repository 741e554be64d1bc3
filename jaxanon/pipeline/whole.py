"""Short ways to a run, for benchmarks and experiments: whole photos, nothing on record."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jaxanon.adaptation.settings import Settings
from jaxanon.anonymizers import Anonymizer
from jaxanon.classifiers.classifier import Classifier
from jaxanon.io.images import decode
from jaxanon.io.inputs import InputFile, InputImage
from jaxanon.io.results import FilePlace, OutputFolder
from jaxanon.pipeline.item import Item, LoadedImage
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.run import Run, RunOptions
from jaxanon.regions.region import Region


def whole_items(
    paths: Sequence[Path], folder: Path, anonymizer: Anonymizer, *, overwrite: bool = False
) -> list[Item]:
    """One item per photo, anonymized everywhere; saved as PNG under its name without suffix.

    Args:
        paths: paths of the photos, whose names must differ.
        folder: for the adapted images.
        anonymizer: what hides.
        overwrite: whether existing files may be replaced.
    """
    return [
        Item(
            image := InputFile(path, Path(path.name)),
            FilePlace(folder / f"{path.stem}.png", overwrite),
            partial(load_whole, image, anonymizer),
        )
        for path in paths
    ]


def load_whole(image: InputImage, anonymizer: Anonymizer) -> LoadedImage:
    """Read a photo and anonymize all of it.

    Raises:
        ImageError: when the photo cannot be read, or is too small for the anonymizer.
    """
    original = decode(image)
    return LoadedImage(original, anonymizer(original, Region()).pixels, None)


def bare_run(
    folder: Path,
    items: Sequence[Item],
    sources: Sequence[Classifier],
    targets: Sequence[Classifier],
    settings: Settings,
    options: RunOptions | None = None,
) -> Run:
    """A run whose journal lies in a folder and records no options.

    Args:
        folder: for the journal.
        items: the images.
        sources: classifiers to adapt to.
        targets: classifiers to evaluate only.
        settings: options of the loop.
        options: how to go about it; by default quietly.
    """
    journal = Journal(OutputFolder(folder).lines(JOURNAL), {})
    return Run(items, sources, targets, settings, journal, options or RunOptions(quiet=True))
