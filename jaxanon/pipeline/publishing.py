"""What of an output folder may be published: what its run made, and nothing else."""

from __future__ import annotations

import filecmp
import hashlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from jaxanon.errors import UsageError, printable
from jaxanon.io.folder_shards import digests_in
from jaxanon.io.shard_kinds import LISTS, is_list_of_files
from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.pipeline.card import CARD
from jaxanon.pipeline.files_report import report_of
from jaxanon.pipeline.manifest import FOLDER, METADATA, Manifest
from jaxanon.pipeline.page import PAGE, shows_originals
from jaxanon.pipeline.report import REPORT
from jaxanon.pipeline.unfinished import unfinished

KEPT_BACK = frozenset({REPORT, PAGE})
"""Files that name the originals, or where they lie."""
FOLDERS_KEPT_BACK = frozenset({FOLDER, LISTS})
"""Folders of such files."""


def publishable(folder: Path) -> list[str]:
    """The files of an output folder that may be published, the card last.

    Args:
        folder: the output folder of a finished run.

    Raises:
        UsageError: where no run was finished there, or where something lies there that it has not
            made, or that is an original, or shows some.
    """
    if (page := folder / PAGE).is_file() and shows_originals(page.read_text(encoding="utf-8")):
        raise UsageError(
            f"{page} shows the originals; 'jaxanon report {folder}' writes it without them"
        )
    manifest = Manifest(FolderStore(folder))
    made = set(_of_shards(manifest) if manifest.exists() else _of_files(folder))
    if not made:
        raise UsageError(f"{folder}: nothing was made there")
    for name in (CARD, METADATA):
        if (folder / name).is_file():
            made.add(name)
    if CARD not in made:
        raise UsageError(f"{folder}/{CARD} is missing; 'jaxanon report {folder}' writes it")
    if strange := sorted(set(_files_below(folder)) - made):
        raise UsageError(
            f"{folder / strange[0]} was not made by the run, and may show what is private; move "
            "it elsewhere"
        )
    return [*sorted(made - {CARD}), CARD]


def _of_shards(manifest: Manifest) -> Iterator[str]:
    """What a run over shards has made, each as its digest says."""
    folder = Path(manifest.store.name)
    shards = list(manifest.shards())
    if lacking := unfinished(manifest, {done.shard for done in shards}):
        raise UsageError(f"{folder}: {lacking[0]} is not finished; go on with --resume first")
    for done in shards:
        files = {done.file: done.sha256}
        if is_list_of_files(done.file):
            files = dict(digests_in(manifest.store, done.file))
        for name, digest in files.items():
            try:
                with (folder / name).open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError as error:
                raise UsageError(f"{folder / name}: {error.strerror or error}") from error
            if found != digest:
                raise UsageError(f"{folder / name} was changed since it was made; adapt it again")
            yield name


def _of_files(folder: Path) -> Iterator[str]:
    """What a run over files has made, none of it the same as its original."""
    seen: set[str] = set()
    for record in report_of(folder)["images"]:
        if record["output"] is None:
            continue
        name = _below(folder, record, seen)
        seen.add(name)
        original = Path(record["input"])
        if original.is_file() and filecmp.cmp(original, folder / name, shallow=False):
            raise UsageError(f"{folder / name} is the original itself; adapt it again")
        yield name


def _below(folder: Path, record: Mapping[str, Any], others: Collection[str]) -> str:
    """The name below a folder of a saved file, whose path may have been seen from elsewhere.

    Args:
        folder: the output folder.
        record: of the image.
        others: names of other images.

    Raises:
        UsageError: where it is not there.
    """
    parts = Path(record["output"]).parts
    names = (PurePosixPath(*parts[start:]) for start in range(len(parts)))
    below = (name for name in names if not name.is_absolute())
    found = next((name for name in below if (folder / name).is_file()), None)
    if found is None or found.as_posix() in others:
        raise UsageError(f"{folder}: {printable(record['output'])} is not there; adapt it again")
    return found.as_posix()


def _files_below(folder: Path) -> Iterator[str]:
    """All files below a folder that are not hidden, nor kept back."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if hidden or name.parts[0] in FOLDERS_KEPT_BACK or name.as_posix() in KEPT_BACK:
            continue
        if path.is_symlink() or not path.is_dir():
            yield name.as_posix()
