"""Files as PyTorch writes them, without PyTorch."""

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from contextlib import contextmanager

import numpy as np
import pytest

from jaxanon.classifiers.weights.pth import MAGIC, PROTOCOL


class Storage:
    def __init__(self, key, array, kind):
        self.key, self.array, self.kind = key, array, kind


class Tensor:
    """Pickles as PyTorch's tensors do."""

    def __init__(self, storage, offset, shape, stride):
        self.parts = (storage, offset, shape, stride, False, OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.parts


@contextmanager
def torch_names():
    """Stand-ins whose qualified names are PyTorch's, so that the pickles ask for those."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*parts):
        raise AssertionError("never called when writing")

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    for name in ("FloatStorage", "HalfStorage", "LongStorage"):
        kind = type(name, (), {"__module__": "torch", "__qualname__": name})
        setattr(torch, name, kind)
    torch._utils = utils
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        yield torch


class TorchPickler(pickle.Pickler):
    legacy = False

    def persistent_id(self, item):
        if isinstance(item, Storage):
            reference = ("storage", item.kind, item.key, "cpu", item.array.size)
            return (*reference, None) if self.legacy else reference
        return None


def dump(value, legacy):
    buffer = io.BytesIO()
    pickler = TorchPickler(buffer, protocol=2)
    pickler.legacy = legacy
    pickler.dump(value)
    return buffer.getvalue()


def write_legacy(path, state, storages):
    with path.open("wb") as file:
        for value in (MAGIC, PROTOCOL, {"little_endian": True}):
            file.write(pickle.dumps(value, protocol=2))
        file.write(dump(state, legacy=True))
        file.write(pickle.dumps([storage.key for storage in storages], protocol=2))
        for storage in storages:
            file.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())


def write_zip(path, state, storages):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("model/data.pkl", dump(state, legacy=False))
        archive.writestr("model/byteorder", "little")
        for storage in storages:
            archive.writestr(f"model/data/{storage.key}", storage.array.tobytes())


def tensor_of(torch, key, array):
    """An array as a tensor with a storage of its own; gives both."""
    kinds = {"f4": "FloatStorage", "f2": "HalfStorage", "i8": "LongStorage"}
    storage = Storage(key, array.ravel(), getattr(torch, kinds[array.dtype.str[1:]]))
    strides = [n // array.itemsize for n in np.array(array, order="C").strides]
    return Tensor(storage, 0, array.shape, tuple(strides)), storage
