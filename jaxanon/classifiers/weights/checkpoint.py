"""Finding and reading weights: in files, in folders of the hub's layout, in packages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import ml_dtypes
import numpy as np

from jaxanon.classifiers.weights.pth import read_pth
from jaxanon.classifiers.weights.sharded import INDEX, Sharded, shards
from jaxanon.errors import WeightsError
from jaxanon.io.json_files import NOT_FETCHED, is_pointer
from jaxanon.runtime.packages import package_folder

SUFFIXES = (".safetensors", ".pth", ".pth.tar", ".pt", ".ckpt", ".bin", INDEX)
WEIGHTS = ("model.safetensors", f"model{INDEX}", "pytorch_model.bin")
"""Names of the weights in hub layout, the preferred first; an index names files beside it."""
CONFIG = "config.json"
"""Name of the configuration in hub layout."""


@dataclass(frozen=True)
class Located:
    """A weights file that was found.

    Attributes:
        weights: the file.
        config: the `config.json` beside it, or None.
    """

    weights: Path
    config: Path | None


def locate(path: Path) -> Located:
    """Find the weights at a path: a file, or a folder in hub layout (`model.safetensors`, ...).

    Raises:
        WeightsError: when nothing usable is there.
    """
    if path.is_dir():
        for name in WEIGHTS:
            if (path / name).is_file():
                config = path / CONFIG
                return Located(path / name, config if config.is_file() else None)
        raise WeightsError(f"{path}: the folder has none of {', '.join(WEIGHTS)}")
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file or folder")
    if not path.name.endswith(SUFFIXES):
        raise WeightsError(f"{path}: weights end in one of {', '.join(SUFFIXES)}")
    config = path.parent / CONFIG
    return Located(path, config if config.is_file() else None)


def in_package(module: str) -> Path | None:
    """The `.pth` file of an installed package, or None unless there is exactly one."""
    folder = package_folder(module)
    found = sorted(folder.glob("models/*.pth")) if folder else []
    return found[0] if len(found) == 1 else None


def digest(path: Path) -> str:
    """The SHA-256 of a weights file, in hexadecimal; of an index, of its files' SHA-256.

    Raises:
        WeightsError: when an index is unreadable, or a file that it names is not there.
    """
    return joint_digest([sha256(file) for file in files_of(path)])


def files_of(path: Path) -> list[Path]:
    """A weights file, and all files that it names where it is an index.

    Raises:
        WeightsError: as for `digest`.
    """
    return [path, *shards(path)] if path.name.endswith(INDEX) else [path]


def sha256(path: Path) -> str:
    """The SHA-256 of one file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def joint_digest(digests: Sequence[str]) -> str:
    """One SHA-256 for those of several files; that of one file is its own."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def read_state_dict(path: Path) -> Mapping[str, np.ndarray]:
    """Read a state dict (key -> array) from a `.safetensors` or PyTorch file, or from an index.

    Raises:
        WeightsError: when a file cannot be read whole.
    """
    if path.name.endswith(INDEX):
        return Sharded(path, read_state_dict)
    if is_pointer(path):
        raise WeightsError(f"{path}: {NOT_FETCHED}")
    return _Safetensors(path) if path.suffix == ".safetensors" else read_pth(path)


_READABLE = {
    *("F64", "F32", "F16", "BF16", "BOOL"),
    *("I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8"),
}
"""Types that safetensors itself hands out as NumPy arrays."""
_FLOAT8 = {"F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2}
"""Types that it reads from the file, but has no NumPy type for."""


class _Safetensors(Mapping[str, np.ndarray]):
    """The arrays of a safetensors file by their keys, each read from disk when it is asked for."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            # By reading, as a mapped file would be counted among the memory of the process.
            self._file = safe_open(path, framework="np", backend="pread")
        except (OSError, SafetensorError) as error:
            raise WeightsError(f"{path}: not a readable safetensors file: {error}") from error
        self._types = {key: self._file.get_slice(key).get_dtype() for key in self._file.keys()}  # noqa: SIM118
        for key, kind in self._types.items():
            if kind not in _READABLE and kind not in _FLOAT8:
                raise WeightsError(
                    f"{path}: {key} is stored as {kind}, which cannot be read (quantized?)"
                )
        self._path = path

    def __getitem__(self, key: str) -> np.ndarray:
        if self._types[key] in _FLOAT8:
            return self._float8[key]
        array: np.ndarray = self._file.get_tensor(key)
        return array

    @cached_property
    def _float8(self) -> dict[str, np.ndarray]:
        """All arrays of eight-bit floats, which are small, at once."""
        from safetensors import deserialize

        return {
            key: np.frombuffer(stored["data"], _FLOAT8[stored["dtype"]]).reshape(stored["shape"])
            for key, stored in deserialize(self._path.read_bytes())
            if stored["dtype"] in _FLOAT8
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)
