"""A restricted unpickler for PyTorch's files: tensors only, no torch, no foreign code.

A pickle may call any function that it names. This one resolves only the few names that a state
dict needs, to objects of its own. What lies beside it in a training checkpoint (options, states of
optimizers) is passed over: its names, too, stand on a list, and each becomes an object that takes
whatever it is given and does nothing with it. Every other name is refused.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

import ml_dtypes
import numpy as np

from jaxanon.errors import WeightsError

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
class Storage:
    """Reference to a block of numbers in the file, which is read after the pickle."""

    key: str
    dtype: np.dtype[Any]
    length: int


@dataclass(frozen=True)
class Tensor:
    """A tensor as pickled: a window on a storage; offset and strides count elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def read(self, storages: dict[str, np.ndarray]) -> np.ndarray:
        """Its values, from the storages of the file by key.

        Raises:
            ValueError: when it is not a window on its storage.
        """
        data = storages[self.storage.key]
        if any(n < 0 for n in (self.offset, *self.shape, *self.stride)):
            raise ValueError("a tensor has a negative offset, shape or stride")
        if 0 in self.shape:
            return np.zeros(self.shape, data.dtype)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        if last >= data.size or math.prod(self.shape) > data.size:
            raise ValueError("a tensor reaches beyond its storage")
        step = data.dtype.itemsize
        window = np.lib.stride_tricks.as_strided(
            data[self.offset :], self.shape, tuple(s * step for s in self.stride), writeable=False
        )
        return np.asarray(window, order="C")


class _Opaque:
    """What a pickle gets for a name: made anew each time, and nothing that it sets is kept."""

    __slots__ = ()

    def __setstate__(self, *_: Any) -> None: ...


class _RebuildTensor(_Opaque):
    __slots__ = ()

    def __call__(
        self,
        storage: Storage,
        offset: int,
        shape: tuple[int, ...],
        stride: tuple[int, ...],
        *_: Any,
    ) -> Tensor:
        if not isinstance(storage, Storage):
            raise pickle.UnpicklingError("a tensor is not backed by a storage")
        return Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, stride)))


class _RebuildParameter(_Opaque):
    __slots__ = ()

    def __call__(self, tensor: Tensor, *_: Any) -> Tensor:
        return tensor


class _StorageKind(_Opaque):
    """A class of storages: its name stands for a type of numbers."""

    __slots__ = ("_dtype",)

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype


class PassedOver:
    """Stands for an object that is not read: it takes everything and keeps nothing."""

    __slots__ = ()

    def __new__(cls, *_: Any, **__: Any) -> PassedOver:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> PassedOver:
        return self

    def __setstate__(self, *_: Any) -> None: ...

    def __setitem__(self, *_: Any) -> None: ...

    def append(self, *_: Any) -> None: ...

    def extend(self, *_: Any) -> None: ...

    def add(self, *_: Any) -> None: ...


_TAKEN: dict[str, Callable[[], Any]] = {
    "collections.OrderedDict": lambda: OrderedDict,
    "torch._utils._rebuild_tensor_v2": _RebuildTensor,
    "torch._utils._rebuild_parameter": _RebuildParameter,
    **{f"torch.{name}": partial(_StorageKind, dtype) for name, dtype in _STORAGES.items()},
}
"""Names that a state dict needs -> what makes the object that stands for each."""
_PASSED_OVER = frozenset(
    {"argparse.Namespace", "yacs.config.CfgNode", "_codecs.encode"}
    | {
        f"{builtins}.{name}"
        for builtins in ("builtins", "__builtin__")
        for name in ("bool", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple")
    }
    | {f"collections.{name}" for name in ("Counter", "defaultdict", "deque")}
    | {f"datetime.{name}" for name in ("datetime", "date", "timedelta")}
    | {
        f"{module}.{name}"
        for module in ("pathlib", "pathlib._local")  # the latter in Python 3.13
        for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath")
    }
    | {f"numpy.{name}" for name in ("dtype", "ndarray")}
    | {
        f"numpy.{core}.multiarray.{name}"
        for core in ("core", "_core")
        for name in ("scalar", "_reconstruct")
    }
    | {"torch.Size", "torch.device", "torch.serialization._get_layout"}
    | {
        f"torch.{name}"
        for name in ("float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")
    }
)
"""Names of what training programs store beside the weights."""
_PASSED_OVER_BELOW = ("torch.optim.", "omegaconf.", "pytorch_lightning.", "lightning.")
"""How such names begin."""


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that resolves the names on its lists and refuses every other.

    Attributes:
        storages: key -> reference, of all storages that the pickle has named so far.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        wanted = f"{module}.{name}"
        if wanted in _TAKEN:
            return _TAKEN[wanted]()
        if wanted in _PASSED_OVER or wanted.startswith(_PASSED_OVER_BELOW):
            return type(name, (PassedOver,), {"__slots__": (), "__module__": module})
        if wanted == "torch._utils._rebuild_qtensor":
            raise WeightsError("it holds quantized tensors; weights must be of a float type")
        raise WeightsError(
            f"the file asks for the global {wanted!r}, which a state dict does not need; "
            "refused, since unpickling it could run foreign code. "
            "Save plain tensors (torch.save(model.state_dict(), ...)) or use safetensors"
        )

    def persistent_load(self, pid: Any) -> Storage:
        kind, numbers, key, _device, length, *view = pid
        if kind != "storage" or not isinstance(numbers, _StorageKind) or any(view):
            raise pickle.UnpicklingError("an unsupported reference to a storage")
        storage = Storage(str(key), numbers.dtype, int(length))
        self.storages[storage.key] = storage
        return storage
