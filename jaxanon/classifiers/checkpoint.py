"""Where a classifier's weights lie, and what they say: files, hub-layout folders, packages."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxanon.classifiers.pth import read_pth
from jaxanon.errors import WeightsError

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


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
        for name in ("model.safetensors", "pytorch_model.bin"):
            if (path / name).is_file():
                config = path / "config.json"
                return Located(path / name, config if config.is_file() else None)
        raise WeightsError(
            f"{path}: the folder has neither model.safetensors nor pytorch_model.bin"
        )
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file or folder")
    if path.suffix not in SUFFIXES:
        raise WeightsError(f"{path}: weights end in one of {', '.join(SUFFIXES)}")
    config = path.parent / "config.json"
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


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Name -> array, of a `.safetensors` or PyTorch file.

    Raises:
        WeightsError: when the file cannot be read whole.
    """
    if path.suffix != ".safetensors":
        return read_pth(path)
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: not a readable safetensors file: {error}") from error
