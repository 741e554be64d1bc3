"""Whatever a weights file holds, it is read rightly or refused by name."""

import argparse
import json
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from torch_files import Storage, dump, tensor_of, torch_names, write_legacy, write_zip

from jaxanon.classifiers import registry
from jaxanon.classifiers.config_file import from_hub
from jaxanon.classifiers.weights.checkpoint import SUFFIXES, digest, read_state_dict
from jaxanon.classifiers.weights.sharded import weight_map
from jaxanon.classifiers.weights.wrappers import WRAPPERS
from jaxanon.errors import WeightsError

TABLE = registry.find("resnet50").config
QUICK = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ARRAYS = st.dictionaries(
    st.sampled_from(["conv1.weight", "fc.bias", "a", "module.b", "state_dict.c"]),
    st.tuples(st.sampled_from(["<f4", "<f2", "<i8"]), st.lists(st.integers(0, 4), max_size=4)),
    min_size=1,
)
BESIDE = st.dictionaries(
    st.sampled_from(["epoch", "args", "best", "config", "names"]),
    st.sampled_from(
        [3, argparse.Namespace(lr=0.1), np.float64(0.5), None, {"a": [1, 2]}, {"x"}, "text"]
    ),
)
SPOILED = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=3)


def spoil(data, changes, cut):
    """Some bytes changed, and the end cut off."""
    changed = bytearray(data)
    for place, value in changes:
        changed[place % len(changed)] = value
    return bytes(changed[: len(changed) - cut % len(changed)]) if cut else bytes(changed)


def read_or_refused(path, read):
    """What a file is read as; None where it is refused, by its name."""
    try:
        return read(path)
    except WeightsError as error:
        message = str(error)
    assert str(path) in message
    return None


@QUICK
@given(
    shapes=ARRAYS,
    beside=BESIDE,
    wrappers=st.lists(st.sampled_from(WRAPPERS), max_size=2),
    zipped=st.booleans(),
    changes=SPOILED,
    cut=st.integers(0, 2000),
    seed=st.integers(0, 99),
)
def test_checkpoints(tmp_path_factory, shapes, beside, wrappers, zipped, changes, cut, seed):
    generator = np.random.default_rng(seed)
    truth = {
        key: np.asarray(generator.normal(size=shape) * 9).astype(kind)
        for key, (kind, shape) in shapes.items()
    }
    path = tmp_path_factory.getbasetemp() / "generated.pth"
    with torch_names() as torch:
        pairs = {
            key: tensor_of(torch, str(i), array) for i, (key, array) in enumerate(truth.items())
        }
        value = OrderedDict((key, tensor) for key, (tensor, _) in pairs.items())
        for wrapper in wrappers:
            value = {**beside, wrapper: value}
        storages = [storage for _, storage in pairs.values()]
        (write_zip if zipped else write_legacy)(path, value, storages)
    if not changes and not cut:
        read = read_state_dict(path)
        assert list(read) == list(truth)
        for key, array in truth.items():
            np.testing.assert_array_equal(read[key], array)
        return
    path.write_bytes(spoil(path.read_bytes(), changes, cut))
    read_or_refused(path, read_state_dict)


@QUICK
@given(shapes=ARRAYS, changes=SPOILED, cut=st.integers(0, 500))
def test_safetensors(tmp_path_factory, shapes, changes, cut):
    path = tmp_path_factory.getbasetemp() / "generated.safetensors"
    state = {key: np.zeros(shape, kind) for key, (kind, shape) in shapes.items()}
    path.write_bytes(spoil(save(state), changes, cut))
    read = read_or_refused(path, lambda path: dict(read_state_dict(path)))
    if not changes and not cut:
        assert {key: value.shape for key, value in read.items()} == {
            key: tuple(shape) for key, (_, shape) in shapes.items()
        }


@settings(QUICK, max_examples=300)
@given(data=st.binary(max_size=60), suffix=st.sampled_from(SUFFIXES))
def test_any_bytes(tmp_path_factory, data, suffix):
    path = tmp_path_factory.getbasetemp() / f"generated{suffix}"
    path.write_bytes(data)
    assert read_or_refused(path, lambda path: (digest(path), read_state_dict(path))) is None


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4),
        st.sampled_from([-1, 0, 224, 1e308, "bicubic", "center", [3, 64, 64], [0.5] * 3]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers(-1, 10**12).map(str)), inner),
    ),
    max_leaves=6,
)  # fmt: skip
STATED = (
    "architecture", "num_classes", "global_pool", "model_args", "label_names",
    "label_descriptions", "tag", "input_size", "crop_pct", "crop_mode", "interpolation", "mean",
    "std", "license", "pretrained_cfg",
)  # fmt: skip


@settings(QUICK, max_examples=400)
@given(
    stated=st.dictionaries(st.sampled_from(STATED), JSON, max_size=4),
    below=st.dictionaries(st.sampled_from(STATED), JSON, max_size=3),
)
def test_configurations(tmp_path_factory, stated, below):
    path = tmp_path_factory.getbasetemp() / "config.json"
    path.write_text(json.dumps({**stated, "pretrained_cfg": below} if below else stated))
    stated = read_or_refused(path, lambda path: from_hub(TABLE, path))
    if stated is not None:
        assert max(stated.config.mean) <= 1
        assert 0 < max(stated.config.std) <= 1
        assert stated.config.resize >= stated.config.input_size >= 8


@settings(QUICK, max_examples=200)
@given(contents=st.one_of(JSON, st.fixed_dictionaries({"weight_map": JSON})))
def test_indices(tmp_path_factory, contents):
    path = tmp_path_factory.getbasetemp() / "generated.safetensors.index.json"
    path.write_text(json.dumps(contents))
    files = read_or_refused(path, weight_map) or {}
    assert {file.parent for file in files.values()} <= {path.parent}


def test_storages_that_are_no_tensors_are_named(tmp_path):
    with torch_names() as torch:
        storage = Storage("1", np.zeros(3, "<f4"), torch.FloatStorage)
        assert dump(storage, legacy=False)
        write_zip(tmp_path / "a.pth", {"w": storage}, [storage])
    with pytest.raises(WeightsError, match="not tensors: w"):
        read_state_dict(tmp_path / "a.pth")
