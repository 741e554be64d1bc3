"""Runs of the pipeline in tests: items by hand, journals without options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jaxanon.io.kinds.folders import InputFile
from jaxanon.io.results import FilePlace, OutputFolder
from jaxanon.pipeline.item import Item, LoadedImage
from jaxanon.pipeline.run import Run
from jaxanon.pipeline.stages import RunOptions
from jaxanon.pipeline.whole import bare_run


def item(name: str, output: Path, load: Callable[[], LoadedImage]) -> Item:
    """An image that is read by `load`, whatever its name."""
    return Item(InputFile(Path(name), Path(name)), FilePlace(output), load)


def quiet_run(folder, items, sources, targets, settings, **options) -> Run:
    """A run whose journal lies in the folder."""
    return bare_run(
        OutputFolder(folder), items, sources, targets, settings, RunOptions(quiet=True, **options)
    )
