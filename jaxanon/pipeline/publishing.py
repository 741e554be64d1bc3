"""What of an output folder may be published: what its run made, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from jaxanon.display.tables import counted
from jaxanon.errors import UsageError, printable
from jaxanon.io.folder_shards import digests_in
from jaxanon.io.shard_kinds import LISTS, is_list_of_files
from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.pipeline.card import CARD
from jaxanon.pipeline.files_report import report_of
from jaxanon.pipeline.hiding import is_untouched
from jaxanon.pipeline.manifest import FOLDER, METADATA, Manifest
from jaxanon.pipeline.page import PAGE, shows_originals
from jaxanon.pipeline.report import REPORT, Report
from jaxanon.pipeline.unfinished import unfinished

KEPT_BACK = frozenset({REPORT, PAGE})
"""Files that name the originals, or where they lie."""
FOLDERS_KEPT_BACK = frozenset({FOLDER, LISTS})
"""Folders of such files."""


def publishable(folder: Path, *, untouched: bool = False) -> list[str]:
    """The files of an output folder that may be published, the card last.

    Args:
        folder: the output folder of a finished run.
        untouched: whether images may be among them in which nothing was found to hide.

    Raises:
        UsageError: where no run was finished there, or where something lies there that it has not
            made, or that is an original, or shows some.
    """
    page = folder / PAGE
    if page.is_file() and shows_originals(page.read_text(encoding="utf-8", errors="replace")):
        raise UsageError(
            f"{page} shows the originals; 'jaxanon report {folder}' writes it without them"
        )
    manifest = Manifest(FolderStore(folder))
    if manifest.exists():
        names, run = _of_shards(manifest), manifest.run()
        records = (asdict(each) for done in manifest.shards() for each in manifest.records(done))
    else:
        run = report_of(folder)
        names, records = _of_files(folder, run), iter(run["images"])
    if run["settings"].get("goal", "keep") != "keep":
        raise UsageError(f"{folder} was attacked, not anonymized: its images show the originals")
    made = set(names)
    if not untouched:
        _refuse_untouched(folder, records)
    if not made:
        raise UsageError(f"{folder}: nothing was made there")
    if not (folder / CARD).is_file():
        raise UsageError(f"{folder}/{CARD} is missing; 'jaxanon report {folder}' writes it")
    made.add(CARD)
    if manifest.exists() and (folder / METADATA).is_file():
        _check_metadata(folder / METADATA, made)
        made.add(METADATA)
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
                _check(folder / name, digest)
            except OSError as error:
                raise UsageError(f"{folder / name}: {error.strerror or error}") from error
            yield name


def _of_files(folder: Path, report: Report) -> Iterator[str]:
    """What a run over files has made, each as its digest says."""
    seen: set[str] = set()
    if "version" not in report:
        raise UsageError(f"{folder}: the run was stopped; go on with --resume first")
    for record in report["images"]:
        if record["output"] is None:
            continue
        name = _below(folder, record, seen)
        seen.add(name)
        _check(folder / name, record.get("sha256"))
        yield name


def _refuse_untouched(folder: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Refuse images in which nothing was hidden: they are their originals.

    Raises:
        UsageError: naming one, and how many there are.
    """
    saved = (each for each in records if each["status"] != "failed")
    names = [printable(each["input"]) for each in saved if is_untouched(each["changed"])]
    if names:
        raise UsageError(
            f"{folder}: in {counted(len(names), 'image')}, such as {names[0]}, nothing was hidden; "
            "look at them, and give --untouched to publish them as they are"
        )


def _check(file: Path, digest: str | None) -> None:
    """Refuse a file that is not the one that was verified.

    Raises:
        OSError: when it cannot be read.
        UsageError: when it is another one, or its digest is on no record.
    """
    if digest is None:
        raise UsageError(f"{file} was made by an earlier version, without a digest; adapt it again")
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != digest:
        raise UsageError(f"{file} was changed since it was made; adapt it again")


def _check_metadata(path: Path, made: Collection[str]) -> None:
    """Refuse a list of images that is none, or names others.

    Raises:
        UsageError: naming it.
    """
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        ours = all(row["file_name"] in made for row in rows)
    except (ValueError, TypeError, LookupError):
        ours = False
    if not ours:
        raise UsageError(f"{path} was changed since it was made; 'jaxanon report' writes it anew")


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
