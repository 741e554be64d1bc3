"""Which files are the inputs, what the outputs are called, and writing whole or not at all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jaxanon.errors import ImageError, UsageError, unknown

SUFFIX = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True)
class InputFile:
    """An input file, and its place below the folder it was found in (or its bare name)."""

    path: Path
    relative: Path


def find(sources: Sequence[Path]) -> list[InputFile]:
    """All files given or below the folders given, sorted; hidden ones are left out.

    Links are followed.

    A folder that cannot be listed stands in the list itself: decoding it tells why.

    Raises:
        UsageError: when a source does not exist, or nothing is there.
    """
    found: dict[Path, InputFile] = {}

    for source in sources:
        if _kind(source) == "folder":
            for path in _below(source, set()):
                relative = Path(source.name) if path == source else path.relative_to(source)
                found.setdefault(path.resolve(), InputFile(path, relative))
        elif _kind(source) == "file":
            found.setdefault(source.resolve(), InputFile(source, Path(source.name)))
        else:
            raise UsageError(f"{source}: no such file or folder")
    if not found:
        raise UsageError(f"no files in {', '.join(map(str, sources))}")
    return sorted(found.values(), key=lambda item: (item.relative.as_posix(), str(item.path)))


def _kind(path: Path) -> str | None:
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def _below(folder: Path, seen: set[Path]) -> Iterator[Path]:
    if folder.resolve() in seen:
        return  # a link that leads back
    seen.add(folder.resolve())
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        kinds = [
            (entry, entry.is_dir(), entry.is_file() or entry.is_symlink()) for entry in entries
        ]
    except OSError:
        yield folder
        return
    for entry, is_folder, is_file in kinds:
        if is_folder:
            yield from _below(entry, seen)
        elif is_file:
            yield entry


def part_of(path: Path) -> Path:
    """Where a file lies while it is being written and verified: hidden, beside its final place."""
    short = hashlib.sha256(path.name.encode(errors="surrogateescape")).hexdigest()[:16]
    return path.with_name(f".{short}.part")


def write_part(path: Path, data: bytes) -> Path:
    """Write `data` beside `path`, not yet under its name; returns the place.

    Raises:
        ImageError: when the folder or file cannot be written.
    """
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
    except OSError as error:
        discard_part(path)
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
    return part


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise ImageError when something has the name already and may not be replaced."""
    if path.exists() and not overwrite:
        raise ImageError(f"{path}: exists; not overwritten (give --overwrite)")


def commit(path: Path, *, overwrite: bool) -> None:
    """Give a written part its name, at once and whole.

    Raises:
        ImageError: when something else has taken the name meanwhile, or the system refuses.
    """
    part = part_of(path)
    try:
        refuse_existing(path, overwrite=overwrite)
        part.replace(path)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        discard_part(path)


def discard_part(path: Path) -> None:
    """Remove what was written beside `path`, if anything."""
    discard(part_of(path))


def discard(path: Path) -> None:
    """Remove a file, if it is there and the system lets us."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def write(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write a file whole or not at all."""
    write_part(path, data)
    commit(path, overwrite=overwrite)


def output_names(sources: Sequence[InputFile], form: str) -> list[Path]:
    """For each source its output's relative path, all distinct, also where case is ignored.

    The suffix becomes the format's. Where two sources would meet (`a.png`, `a.jpg`), each keeps
    its old suffix before the new one (`a.png.png`, `a.jpg.png`); where that does not help either,
    the later ones are numbered.

    Raises:
        UsageError: for an unknown format.
    """
    if form not in SUFFIX:
        raise UsageError(unknown("format", form, SUFFIX))
    suffix = SUFFIX[form]
    plain = [source.relative.with_suffix(suffix) for source in sources]
    count = Counter(map(_fold, plain))
    taken = {name for name, times in count.items() if times == 1}
    names: list[Path] = []
    for source, path in zip(sources, plain, strict=True):
        if count[_fold(path)] > 1:
            name, number = source.relative.name, 1
            path = source.relative.with_name(name + suffix)
            while _fold(path) in taken:
                number += 1
                path = source.relative.with_name(f"{name}-{number}{suffix}")
            taken.add(_fold(path))
        names.append(path)
    return names


def _fold(path: Path) -> str:
    return path.as_posix().casefold()
