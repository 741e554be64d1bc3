"""Where a classifier's weights lie, and what they say: files, hub-layout folders, packages."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import ml_dtypes
import numpy as np

from jaxanon.classifiers.weights.pth import read_pth
from jaxanon.errors import WeightsError

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Names of the weights in hub layout, the preferred first."""
CONFIG = "config.json"


@dataclass(frozen=True)
class Located:
    """A weights file and, where one lies beside it in hub layout, its configuration."""

    weights: Path
    config: Path | None


def locate(path: Path) -> Located:
    """The weights at `path`: a file, or a folder in hub layout (`model.safetensors`, ...).

    Raises:
        WeightsError: when nothing usable is there.
    """
    if path.is_dir():
        for name in WEIGHTS:
            if (path / name).is_file():
                config = path / CONFIG
                return Located(path / name, config if config.is_file() else None)
        raise WeightsError(f"{path}: the folder has neither {' nor '.join(WEIGHTS)}")
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file or folder")
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path}: weights end in one of {', '.join(SUFFIXES)}")
    config = path.parent / CONFIG
    return Located(path, config if config.is_file() else None)


def package_folder(module: str) -> Path | None:
    """Where an installed package lies, or None; it is not imported."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def in_package(module: str) -> Path | None:
    """The one `.pth` that the installed package `module` carries, or None."""
    folder = package_folder(module)
    found = sorted(folder.glob("models/*.pth")) if folder else []
    return found[0] if len(found) == 1 else None


def digest(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state_dict(path: Path) -> Mapping[str, np.ndarray]:
    """Name -> array, of a `.safetensors` or PyTorch file.

    Raises:
        WeightsError: when the file cannot be read whole.
    """
    return _Safetensors(path) if path.suffix == ".safetensors" else read_pth(path)


_DTYPES: dict[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


class _Safetensors(Mapping[str, np.ndarray]):
    """The arrays of a safetensors file, each read from disk when asked for.

    The library checks the file; it maps it whole into memory and lacks the float8 types, so the
    arrays are read here (the format: a length, a JSON header of offsets, the bytes).
    """

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="np"):
                pass
            with path.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(length))
        except (OSError, SafetensorError, ValueError) as error:
            raise WeightsError(f"{path}: not a readable safetensors file: {error}") from error
        header.pop("__metadata__", None)
        odd = sorted({row["dtype"] for row in header.values()} - set(_DTYPES))
        if odd:
            key = next(key for key, row in header.items() if row["dtype"] == odd[0])
            raise WeightsError(
                f"{path}: {key} is stored as {odd[0]}, which cannot be read (quantized?)"
            )
        self.path, self.header, self.start = path, header, 8 + length

    def __getitem__(self, key: str) -> np.ndarray:
        row = self.header[key]
        begin, _ = row["data_offsets"]
        shape, dtype = tuple(row["shape"]), _DTYPES[row["dtype"]]
        count = int(np.prod(shape))
        return np.fromfile(self.path, dtype, count, offset=self.start + begin).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.header)

    def __len__(self) -> int:
        return len(self.header)
