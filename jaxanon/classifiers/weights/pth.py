"""Reading the state dict of a PyTorch file, through the restricted unpickler.

Both containers are read: the zip archive (PyTorch 1.6 and later) and the plain sequence of pickles
before it. The layouts are those of `torch/serialization.py`. Only the numbers of the state dict are
read, not those of an optimizer beside it.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from jaxanon.classifiers.weights.pickles import RestrictedUnpickler, Storage, Tensor
from jaxanon.classifiers.weights.wrappers import unwrapped
from jaxanon.errors import WeightsError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

Unwrapped = tuple[dict[str, Tensor], str | None]


class StateDict(dict[str, np.ndarray]):
    """The arrays of a PyTorch file by their keys.

    Attributes:
        note: which of several state dicts they are, where the file has several.
    """

    note: str | None = None


def read_pth(path: Path) -> StateDict:
    """Read the state dict of a PyTorch file, at its top or below wrappers.

    Raises:
        WeightsError: when the file is unreadable, truncated, asks for a global that is not on the
            list, or holds no state dict or one with anything but tensors in it.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            (tensors, note), storages = (_read_zip if zipped else _read_sequence)(file)
        state = StateDict((key, tensor.read(storages)) for key, tensor in tensors.items())
        state.note = note
        return state
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle fails in any way there is
        why = str(error) if isinstance(error, ValueError) else repr(error)
        raise WeightsError(f"{path}: not a readable PyTorch state dict: {why}") from error


def _storages(tensors: dict[str, Tensor]) -> Iterable[Storage]:
    return {tensor.storage.key: tensor.storage for tensor in tensors.values()}.values()


def _read_zip(file: IO[bytes]) -> tuple[Unwrapped, dict[str, np.ndarray]]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("the archive has no data.pkl")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}constants.pkl" in names:
            raise ValueError(
                "a TorchScript program; save its weights: torch.save(model.state_dict(), ...)"
            )
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("the archive is compressed, which PyTorch never writes")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("the archive is big-endian")
        found = unwrapped(RestrictedUnpickler(io.BytesIO(archive.read(pickles[0]))).load())
        storages = {
            storage.key: np.frombuffer(
                archive.read(f"{root}data/{storage.key}"), storage.dtype, storage.length
            )
            for storage in _storages(found[0])
        }
    return found, storages


def _read_sequence(file: IO[bytes]) -> tuple[Unwrapped, dict[str, np.ndarray]]:
    if RestrictedUnpickler(file).load() != MAGIC:
        raise ValueError("the magic number of PyTorch's format is missing")
    if RestrictedUnpickler(file).load() != PROTOCOL:
        raise ValueError("another protocol version than 1001")
    if not RestrictedUnpickler(file).load().get("little_endian"):
        raise ValueError("the file is big-endian")
    unpickler = RestrictedUnpickler(file)
    found = unwrapped(unpickler.load())
    needed = {storage.key for storage in _storages(found[0])}
    storages = {}
    for key in RestrictedUnpickler(file).load():
        (length,) = struct.unpack("<q", file.read(8))
        dtype = unpickler.storages[key].dtype
        if key in needed:
            data = file.read(length * dtype.itemsize)
            storages[key] = np.frombuffer(data, dtype, length)
        else:
            file.seek(length * dtype.itemsize, io.SEEK_CUR)
    return found, storages
