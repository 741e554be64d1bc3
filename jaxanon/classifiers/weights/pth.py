"""A restricted reader of PyTorch's `.pth` files: tensors only, no torch, no foreign code.

A `.pth` file is a pickle, and a pickle may call any function it names. This reader resolves only
the few names that a state dict needs and refuses every other by name. Both containers are read:
the zip archive (PyTorch 1.6 and later) and the plain sequence of pickles before it. The layouts
are those of `torch/serialization.py`.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import ml_dtypes
import numpy as np

from jaxanon.errors import WeightsError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

_STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(ml_dtypes.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True)
class _Storage:
    """Reference to a block of numbers in the file, which is read after the pickle."""

    key: str
    dtype: np.dtype[Any]
    length: int


@dataclass(frozen=True)
class _Tensor:
    """A tensor as pickled: a window on a storage; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def read(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        data = storages[self.storage.key]
        if any(n < 0 for n in (self.offset, *self.shape, *self.stride)):
            raise ValueError("a tensor has a negative offset, shape or stride")
        if 0 in self.shape:
            return np.zeros(self.shape, data.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        if last >= data.size:
            raise ValueError("a tensor reaches beyond its storage")
        step = data.dtype.itemsize
        window = np.lib.stride_tricks.as_strided(
            data[self.offset :], self.shape, tuple(s * step for s in self.stride), writeable=False
        )
        return np.ascontiguousarray(window)


# Objects without attributes instead of functions, whose attributes a pickle could set.
class _RebuildTensor:
    __slots__ = ()

    def __call__(
        self,
        storage: _Storage,
        offset: int,
        shape: tuple[int, ...],
        stride: tuple[int, ...],
        *_: Any,
    ) -> _Tensor:
        if not isinstance(storage, _Storage):
            raise pickle.UnpicklingError("a tensor is not backed by a storage")
        return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, stride)))


class _RebuildParameter:
    __slots__ = ()

    def __call__(self, tensor: _Tensor, *_: Any) -> _Tensor:
        return tensor


_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _RebuildTensor(),
    "torch._utils._rebuild_parameter": _RebuildParameter(),
    **{f"torch.{name}": dtype for name, dtype in _STORAGES.items()},
}


class _Unpickler(pickle.Unpickler):
    """An unpickler that resolves the names in `_ALLOWED` and no other."""

    def find_class(self, module: str, name: str) -> Any:
        wanted = f"{module}.{name}"
        if wanted == "torch._utils._rebuild_qtensor":
            raise WeightsError("it holds quantized tensors; weights must be of a float type")
        if wanted not in _ALLOWED:
            raise WeightsError(
                f"the file asks for the global {wanted!r}, which a state dict does not need; "
                "refused, since unpickling it could run foreign code. "
                "Save plain tensors (torch.save(model.state_dict(), ...)) or use safetensors"
            )
        return _ALLOWED[wanted]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _device, length, *view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or any(view):
            raise pickle.UnpicklingError(f"unsupported storage reference {pid!r}")
        return _Storage(str(key), dtype, int(length))


def read_pth(path: Path) -> dict[str, np.ndarray]:
    """Read the state dict of a `.pth` file, at its top or under the key `state_dict` or `model`.

    Raises:
        WeightsError: when the file is unreadable, truncated, asks for a global that is not on the
            list, or holds anything but named tensors.
    """
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                tensors, storages = _read_zip(file)
            else:
                file.seek(0)
                tensors, storages = _read_sequence(file)
        for wrapper in ("state_dict", "model"):
            if isinstance(tensors, dict) and isinstance(tensors.get(wrapper), dict):
                tensors = tensors[wrapper]
        if not isinstance(tensors, dict) or not tensors:
            raise ValueError("it holds no state dict")
        odd = [str(k) for k, v in tensors.items() if not isinstance(v, _Tensor)]
        if odd:
            raise ValueError(f"not tensors: {', '.join(odd[:5])}")
        return {str(key): tensor.read(storages) for key, tensor in tensors.items()}
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle fails in any way there is
        raise WeightsError(f"{path}: not a readable PyTorch state dict: {error!r}") from error


def _walk(value: Any) -> list[_Storage]:
    if isinstance(value, _Tensor):
        return [value.storage]
    if isinstance(value, dict):
        return [storage for item in value.values() for storage in _walk(item)]
    return []


def _read_zip(file: IO[bytes]) -> tuple[Any, dict[str, np.ndarray]]:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("the archive has no data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("the archive is compressed, which PyTorch never writes")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise ValueError("the archive is big-endian")
        tensors = _Unpickler(io.BytesIO(archive.read(pickles[0]))).load()
        storages = {
            storage.key: np.frombuffer(
                archive.read(f"{root}data/{storage.key}"), storage.dtype, storage.length
            )
            for storage in _walk(tensors)
        }
    return tensors, storages


def _read_sequence(file: IO[bytes]) -> tuple[Any, dict[str, np.ndarray]]:
    if _Unpickler(file).load() != MAGIC:
        raise ValueError("the magic number of PyTorch's format is missing")
    if _Unpickler(file).load() != PROTOCOL:
        raise ValueError("another protocol version than 1001")
    if not _Unpickler(file).load().get("little_endian"):
        raise ValueError("the file is big-endian")
    tensors = _Unpickler(file).load()
    dtypes = {storage.key: storage.dtype for storage in _walk(tensors)}
    storages = {}
    for key in _Unpickler(file).load():
        (length,) = struct.unpack("<q", file.read(8))
        # A key that no tensor uses has an unknown type, so what follows cannot be located.
        dtype = dtypes[key]
        data = file.read(length * dtype.itemsize)
        storages[key] = np.frombuffer(data, dtype, length)
    return tensors, storages
