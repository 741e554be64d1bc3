"""Short ways to a run, for benchmarks and experiments: whole photos, nothing on record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from jaxanon.adaptation.settings import Settings
from jaxanon.anonymizers import Anonymizer
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.outside.classifier import Outside
from jaxanon.io.images import decode
from jaxanon.io.inputs import InputImage
from jaxanon.io.results import ResultSink
from jaxanon.pipeline.hiding import Hiding
from jaxanon.pipeline.item import Item, LoadedImage
from jaxanon.pipeline.journal import JOURNAL, Journal
from jaxanon.pipeline.run import Run
from jaxanon.pipeline.stages import RunOptions
from jaxanon.regions.region import Region


def whole_items(
    images: Iterable[InputImage],
    results: ResultSink,
    anonymizer: Anonymizer,
    *,
    overwrite: bool = False,
) -> list[Item]:
    """One item per photo, anonymized everywhere; saved as PNG under its name.

    Args:
        images: the photos, whose names without suffix must differ.
        results: where the adapted images go.
        anonymizer: what hides.
        overwrite: whether existing results may be replaced.
    """
    return [
        Item(
            image,
            results.place(image.relative.with_suffix(".png"), overwrite=overwrite),
            partial(load_whole, image, anonymizer),
        )
        for image in images
    ]


def load_whole(image: InputImage, anonymizer: Anonymizer) -> LoadedImage:
    """Read a photo and anonymize all of it.

    Raises:
        ImageError: when the photo cannot be read, or is too small for the anonymizer.
    """
    original = decode(image)
    hidden = anonymizer(original, Region()).pixels
    hiding = Hiding.checked(original, hidden, Region(), may_be_empty=True)
    return LoadedImage(original, hidden, None, hiding=hiding)


def bare_run(
    results: ResultSink,
    items: Sequence[Item],
    sources: Sequence[Classifier],
    targets: Sequence[Classifier | Outside],
    settings: Settings,
    options: RunOptions | None = None,
) -> Run:
    """A run whose journal records no options.

    Args:
        results: where the journal is kept.
        items: the images.
        sources: classifiers to adapt to.
        targets: classifiers to evaluate only.
        settings: options of the loop.
        options: how to go about it; by default quietly.
    """
    journal = Journal(results.lines(JOURNAL), {})
    return Run(items, sources, targets, settings, journal, options or RunOptions(quiet=True))
