"""The thumbnails of a run, kept among its results beside the journal."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress

from jaxanon.io.results import LineLog
from jaxanon.pipeline.thumbnails import Thumbnails

GALLERY = ".jaxanon-thumbnails.jsonl"
"""Its name among the results of a run."""


class Gallery:
    """One JSON line for each image that has thumbnails.

    It may be lost without harm: a page then shows fewer pictures.

    Args:
        log: where the lines are kept.
    """

    def __init__(self, log: LineLog) -> None:
        self.log = log

    def start(self, kept: Collection[str]) -> None:
        """Begin the file, with what it has of the images of these keys."""
        found = self.read() if kept else {}
        self.log.begin(each.to_line() for key, each in found.items() if key in kept)

    def add(self, thumbnails: Thumbnails) -> None:
        """Append those of an image."""
        self.log.append(thumbnails.to_line())

    def read(self) -> Mapping[str, Thumbnails]:
        """All of them by key; a damaged line is left out."""
        found: dict[str, Thumbnails] = {}
        if self.log.exists():
            for line in self.log.read():
                with suppress(ValueError, TypeError):
                    thumbnails = Thumbnails.from_line(line)
                    found[thumbnails.key] = thumbnails
        return found
