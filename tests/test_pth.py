"""The restricted reader, on files written as PyTorch writes them, without PyTorch."""

import argparse
import collections
import contextlib
import datetime
import pathlib
import pickle
import struct
import zipfile
from collections import OrderedDict

import ml_dtypes
import numpy as np
import pytest
from torch_files import Storage, Tensor, dump, torch_names, write_legacy, write_zip

from jaxanon.classifiers import registry
from jaxanon.classifiers.weights.pth import MAGIC, PROTOCOL, read_pth
from jaxanon.errors import WeightsError


@pytest.fixture(name="torch_names")
def torch_names_fixture():
    with torch_names() as torch:
        yield torch


def contents(torch, rng):
    a = rng.normal(size=24).astype("<f4")
    b = np.arange(6, dtype="<i8")
    c = rng.normal(size=5).astype("<f2")
    storages = [
        Storage("11", a, torch.FloatStorage),
        Storage("22", b, torch.LongStorage),
        Storage("33", c, torch.HalfStorage),
    ]
    state = OrderedDict(
        plain=Tensor(storages[0], 0, (2, 3, 4), (12, 4, 1)),
        turned=Tensor(storages[0], 4, (4, 3), (1, 4)),
        count=Tensor(storages[1], 5, (), ()),
        half=Tensor(storages[2], 0, (5,), (1,)),
        empty=Tensor(storages[2], 0, (0, 3), (3, 1)),
    )
    wanted = {
        "plain": a.reshape(2, 3, 4),
        "turned": a[4:16].reshape(3, 4).T,
        "count": b[5],
        "half": c,
        "empty": np.zeros((0, 3), "<f2"),
    }
    return state, storages, wanted


@pytest.mark.parametrize("write", [write_legacy, write_zip])
@pytest.mark.parametrize("wrapped", [False, True])
def test_both_containers_give_the_tensors(tmp_path, torch_names, rng, write, wrapped):
    state, storages, wanted = contents(torch_names, rng)
    path = tmp_path / "a.pth"
    write(path, {"state_dict": state, "epoch": 3} if wrapped else state, storages)
    read = read_pth(path)
    assert list(read) == list(wanted)
    for key, value in wanted.items():
        np.testing.assert_array_equal(read[key], value)
        assert (read[key].dtype, read[key].shape) == (value.dtype, value.shape)


WRAPPERS = ["state_dict", "model_state_dict", "model", "net", "module"]


@pytest.mark.parametrize("outer", [None, *WRAPPERS])
@pytest.mark.parametrize("inner", WRAPPERS)
def test_wrappers_are_taken_off_two_deep(tmp_path, torch_names, rng, outer, inner):
    state, storages, wanted = contents(torch_names, rng)
    wrapped = {"epoch": 3, inner: state}
    path = tmp_path / "a.pth.tar"
    write_zip(path, wrapped if outer is None else {outer: wrapped, "arch": "x"}, storages)
    assert list(read_pth(path)) == list(wanted)


@pytest.mark.parametrize("average", ["state_dict_ema", "model_ema"])
def test_the_moving_average_goes_first_and_is_said(tmp_path, torch_names, rng, average):
    state, storages, wanted = contents(torch_names, rng)
    raw = {key: state[key] for key in ("half", "plain")}
    averaged = OrderedDict(n_averaged=state["count"], **state)
    path = tmp_path / "last.pth"
    write_zip(path, {"state_dict": raw, average: averaged}, storages)
    read = read_pth(path)
    assert list(read) == list(wanted)
    assert read.note == f"the weights are those of {average}; the file also has state_dict"


@pytest.mark.parametrize("write", [write_legacy, write_zip])
def test_what_lies_beside_the_weights_is_passed_over(tmp_path, torch_names, rng, write):
    """Options and an optimizer, whose own numbers are not even read."""
    state, storages, wanted = contents(torch_names, rng)
    momentum = Storage("44", rng.normal(size=50).astype("<f4"), torch_names.FloatStorage)
    checkpoint = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1, output=pathlib.PurePosixPath("out")),
        "best": np.float64(0.5),
        "curve": np.arange(4),
        "when": datetime.datetime(2026, 1, 2),
        "seen": {1, 2},
        "history": collections.defaultdict(list, loss=[1.0]),
        "optimizer": {"state": {0: {"momentum": Tensor(momentum, 0, (50,), (1,))}}},
        "state_dict": state,
    }
    path = tmp_path / "last.ckpt"
    write(path, checkpoint, [momentum, *storages])
    if write is write_zip:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("model/data.pkl", dump(checkpoint, legacy=False))
            for storage in storages:
                archive.writestr(f"model/data/{storage.key}", storage.array.tobytes())
    read = read_pth(path)
    for key, value in wanted.items():
        np.testing.assert_array_equal(read[key], value)


def test_what_is_passed_over_is_no_weight(tmp_path):
    path = tmp_path / "whole.pth"
    write_zip(path, argparse.Namespace(a=1), [])
    with pytest.raises(WeightsError, match=r"no state dict, but a argparse\.Namespace"):
        read_pth(path)
    write_zip(path, {"model": {"weight": np.zeros(3)}}, [])
    with pytest.raises(WeightsError, match=r"not tensors: model; a state dict is looked for"):
        read_pth(path)


def test_a_program_is_no_state_dict(tmp_path):
    path = tmp_path / "traced.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/data.pkl", dump({}, legacy=False))
        archive.writestr("m/constants.pkl", dump((), legacy=False))
    with pytest.raises(WeightsError, match="a TorchScript program; save its weights"):
        read_pth(path)


@pytest.mark.parametrize("write", [write_legacy, write_zip])
def test_truncation_anywhere_is_an_error_that_names_the_file(tmp_path, torch_names, rng, write):
    state, storages, _ = contents(torch_names, rng)
    path = tmp_path / "whole.pth"
    write(path, state, storages)
    data = path.read_bytes()
    for length in range(0, len(data), 37):
        cut = tmp_path / "cut.pth"
        cut.write_bytes(data[:length])
        with pytest.raises(WeightsError, match=r"cut\.pth"):
            read_pth(cut)


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize(
    ("function", "name"),
    [(exec, "exec"), (struct.unpack, "unpack"), (OSError, "OSError"), (np.load, "load")],
)
def test_foreign_globals_are_refused_by_name(tmp_path, legacy, function, name):
    class Evil:
        def __reduce__(self):
            return function, ("import pathlib",)

    path = tmp_path / "evil.pth"
    (write_legacy if legacy else write_zip)(path, {"weight": Evil()}, [])
    with pytest.raises(WeightsError, match=r"asks for the global .*refused") as error:
        read_pth(path)
    assert name in str(error.value)
    assert "evil.pth" in str(error.value)


def test_nothing_runs_before_the_refusal(tmp_path):
    flag = tmp_path / "ran"
    evil = b"cos\nsystem\n(S'touch " + str(flag).encode() + b"'\ntR."
    for data in (evil, pickle.dumps(MAGIC, 2) + pickle.dumps(PROTOCOL, 2) + evil):
        path = tmp_path / "evil.pth"
        path.write_bytes(data)
        with pytest.raises(WeightsError, match=r"os\.system|posix\.system"):
            read_pth(path)
    assert not flag.exists()


def test_a_pickle_cannot_change_what_stands_for_a_name(tmp_path, torch_names, rng):
    """By the opcode BUILD, which sets the state of an object: a type's layout, or its class."""
    layout = pickle.dumps((3, "<", None, None, None, 8, 8, 63), protocol=2)[2:-1]
    other = b"N}X\x09\x00\x00\x00__class__cargparse\nNamespace\ns\x86"
    state, storages, wanted = contents(torch_names, rng)
    good = dump(state, legacy=False)
    for name, change in (
        ("torch\nBFloat16Storage", layout),
        ("torch\nFloatStorage", other),
        ("torch._utils\n_rebuild_tensor_v2", other),
        ("collections\nOrderedDict", b"}X\x04\x00\x00\x00itemK\x01s"),
    ):
        path = tmp_path / "evil.pth"
        with zipfile.ZipFile(path, "w") as archive:
            begins = b"\x80\x02c" + name.encode() + b"\n" + change + b"b0"
            archive.writestr("model/data.pkl", begins + good[2:])
            for storage in storages:
                archive.writestr(f"model/data/{storage.key}", storage.array.tobytes())
        with contextlib.suppress(WeightsError):
            read_pth(path)
        assert np.dtype(ml_dtypes.bfloat16).itemsize == 2
        assert not hasattr(OrderedDict, "item")
        write_zip(path, state, storages)
        assert list(read_pth(path)) == list(wanted)


def test_tensors_beyond_their_storage_are_refused(tmp_path, torch_names):
    storage = Storage("1", np.zeros(4, "<f4"), torch_names.FloatStorage)
    for offset, shape, stride in (
        (1, (4,), (1,)),
        (0, (2,), (-1,)),
        (0, (3, 3), (2, 1)),
        (0, (200_000, 200_000), (0, 0)),
    ):
        path = tmp_path / "beyond.pth"
        write_zip(path, {"w": Tensor(storage, offset, shape, stride)}, [storage])
        with pytest.raises(WeightsError, match="tensor"):
            read_pth(path)


def test_not_a_state_dict(tmp_path):
    path = tmp_path / "list.pth"
    write_zip(path, [1, 2], [])
    with pytest.raises(WeightsError, match="no state dict"):
        read_pth(path)
    write_zip(path, {"a": 1}, [])
    with pytest.raises(WeightsError, match="not tensors: a"):
        read_pth(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", dump({}, legacy=False))
    with pytest.raises(WeightsError, match="compressed"):
        read_pth(path)


@pytest.mark.parametrize("i", [0, 1, 2])
def test_packaged_weights_are_the_published_ones(photos, i):
    """Torch hub puts the first digits of the file's SHA-256 into its name."""
    import hashlib

    path = registry.find(f"tf_efficientnet_lite{i}").installed
    assert path is not None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest.startswith(path.stem.split("-")[-1])
    assert len(read_pth(path)) > 290
