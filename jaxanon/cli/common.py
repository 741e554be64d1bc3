"""What several commands share."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.loading import load_classifier
from jaxanon.errors import UsageError
from jaxanon.io.files import real_path


def split_names(text: str | None) -> list[str]:
    """The classifiers named in a comma-separated option."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def classifiers_named(option: str, text: str) -> list[str]:
    """The classifiers named in a comma-separated option that must name at least one.

    Raises:
        UsageError: naming the option.
    """
    if names := split_names(text):
        return names
    raise UsageError(f"{option} names none; give at least one classifier")


def keep_apart(output: Path, inputs: Sequence[Path]) -> None:
    """Refuse an output folder that is, contains, or lies in an input folder.

    Raises:
        UsageError: naming both; or if it could not be written.
    """
    if output.exists() and not output.is_dir():
        raise UsageError(f"the output {output} is a file; it must be a folder")
    _check_writable(output)
    out = real_path(output)
    for given in inputs:
        folder = real_path(given).parent if given.is_file() else real_path(given)
        inside = folder in out.parents or out in folder.parents
        if out == folder or (inside and not given.is_file()):
            raise UsageError(
                f"the output folder {output} and {given} overlap; choose another output folder"
            )


def _check_writable(path: Path) -> None:
    """Whether files can be made there, so that it shows before the work."""
    place = path.absolute()
    start = place if place.is_dir() else place.parent  # an existing file is replaced as a whole
    folder = next(parent for parent in (start, *start.parents) if parent.exists())
    if not folder.is_dir():
        raise UsageError(f"{path} cannot be written, as {folder} is a file; choose another place")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{path} cannot be written: no permission in {folder}")


def check_side_files(
    places: Sequence[Path], inputs: Sequence[Path], *, overwrite: bool, taken: Sequence[Path] = ()
) -> None:
    """Refuse a report or contact sheet whose place is taken, or that would destroy something.

    Args:
        places: where they are to be written.
        inputs: files and folders of the run, which they must keep out of.
        overwrite: whether a file of an earlier run may be replaced.
        taken: other paths that the run writes.

    Raises:
        UsageError: naming the path and why.
    """
    resolved = [real_path(file) for file in places]
    others = {real_path(path) for path in taken}
    for file, place in zip(places, resolved, strict=True):
        if file.is_dir():
            raise UsageError(f"{file} is a folder; name a file")
        _check_writable(file)
        if resolved.count(place) > 1 or place in others:
            raise UsageError(f"{file} would be written twice; choose another name")
        for given in inputs:
            if place == real_path(given) or real_path(given) in place.parents:
                raise UsageError(f"{file} lies among the inputs ({given}); choose another place")
        if file.exists() and not overwrite:
            raise UsageError(f"{file} exists; give --overwrite to replace it")


def check_sheet(name: str, sheet: Path, outputs: Sequence[Path | None]) -> None:
    """Refuse a sheet that shows originals among the outputs, or that is not named as a PNG.

    Raises:
        UsageError: naming it.
    """
    for folder in outputs:
        if folder and real_path(folder) in real_path(sheet).parents:
            raise UsageError(
                f"the {name} {sheet} shows the originals; "
                f"keep it outside the output folder {folder}"
            )
    if sheet.suffix != ".png":
        raise UsageError(f"the {name} {sheet} is a PNG; name it .png")


class _Terminal(logging.Handler):
    """Prints what the library has to say."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"jaxanon: {record.getMessage()}", file=sys.stderr)


def announce(*, quiet: bool = False) -> None:
    """Let what the library has to say, such as about weights, reach the terminal."""
    log = logging.getLogger("jaxanon")
    log.handlers = [_Terminal()]
    log.propagate = False
    log.setLevel(logging.WARNING if quiet else logging.INFO)


class Loader(Protocol):
    """Loads the classifiers of these names, in their order."""

    def __call__(self, names: Sequence[str], *, quiet: bool = False) -> list[Classifier]: ...


def among(loaded: Mapping[str, Classifier]) -> Loader:
    """What finds classifiers by name among those that are loaded."""

    def find(names: Sequence[str], *, quiet: bool = False) -> list[Classifier]:
        return [loaded[name] for name in names]

    return find


def load_all(names: Sequence[str], *, quiet: bool = False) -> list[Classifier]:
    """Load classifiers, all names checked before the first is loaded.

    Those that would have the same name in the report keep their `@PATH` in it.
    """
    for name in names:
        registry.find(name)
    if quiet:
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    loaded = [load_classifier(name) for name in names]
    given: dict[str, set[str]] = {}
    for name, classifier in zip(names, loaded, strict=True):
        given.setdefault(classifier.name, set()).add(name)
    return [
        replace(classifier, name=name)
        if "@" in name and len(given[classifier.name]) > 1
        else classifier
        for name, classifier in zip(names, loaded, strict=True)
    ]
