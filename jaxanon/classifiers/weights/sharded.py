"""Weights in several files, with an index that says which array is where, as the hub has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from jaxanon.errors import WeightsError, printable
from jaxanon.io.json_files import read_json

INDEX = ".safetensors.index.json"
"""How the name of an index ends."""

ReadFile = Callable[[Path], Mapping[str, np.ndarray]]


def weight_map(index: Path) -> dict[str, Path]:
    """The file of each array of an index: key -> path, beside the index.

    Raises:
        WeightsError: when the index is unreadable, or names what is no file beside it.
    """
    try:
        found = read_json(index)["weight_map"]
        files = {str(key): str(name) for key, name in found.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{index}: not a usable index of weights: {error}") from error
    if not files:
        raise WeightsError(f"{index}: it names no weights")
    for name in files.values():
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise WeightsError(
                f"{index}: it names {printable(name)!r}, which is no .safetensors beside it"
            )
    return {key: index.parent / name for key, name in files.items()}


def shards(index: Path) -> list[Path]:
    """The files of an index, in order.

    Raises:
        WeightsError: as for `weight_map`, and when one is not there.
    """
    files = sorted(set(weight_map(index).values()))
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise WeightsError(f"{index}: {printable(', '.join(missing[:5]))} not beside it")
    return files


class Sharded(Mapping[str, np.ndarray]):
    """The arrays of all files of an index by their keys.

    Args:
        index: path of the index.
        read: reads one of its files.

    Raises:
        WeightsError: when a file cannot be read, or lacks an array that the index has.
    """

    def __init__(self, index: Path, read: ReadFile) -> None:
        parts = {file: read(file) for file in shards(index)}
        self._parts = {key: parts[file] for key, file in weight_map(index).items()}
        for key, part in self._parts.items():
            if key not in part:
                raise WeightsError(f"{index}: {printable(key)} is not in the file that it names")

    def __getitem__(self, key: str) -> np.ndarray:
        return self._parts[key][key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)
