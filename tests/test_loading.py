"""From weights in files to classifiers: what loads, what is refused, what is kept."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file
from torch_files import tensor_of, torch_names, write_zip

from jaxanon import Ensemble, UsageError, WeightsError, load_classifier
from jaxanon.classifiers import loading, registry
from jaxanon.classifiers.random_weights import draw, pixels
from jaxanon.classifiers.weights.port import expected
from jaxanon.cli.common import load_all
from jaxanon.runtime.folders import user_cache

NAME, CLASSES, SIZE = "mobilenetv3_small_050", 7, 64


def state_of(name=NAME, classes=CLASSES, size=None, seed=0):
    return draw(expected(registry.find(name).build(classes, size)), seed)


@pytest.fixture(scope="module")
def state():
    return state_of()


@pytest.fixture
def folder(tmp_path, state):
    save_file(state, tmp_path / "model.safetensors")
    config = {"num_classes": CLASSES, "pretrained_cfg": {"input_size": [3, SIZE, SIZE]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


@pytest.fixture
def fresh(tmp_path_factory, monkeypatch):
    """A cache with nothing in it."""
    place = tmp_path_factory.mktemp("fresh")
    monkeypatch.setenv("JAXANON_CACHE", str(place))
    return place


@partial(jax.jit, static_argnums=0)
def apply(graph, params, views):
    """Compiled once for a network, wherever its weights come from."""
    return nnx.merge(graph, params)(views)


def logits(classifier):
    config = classifier.config
    mean, std = np.float32(config.mean), np.float32(config.std)
    views = (pixels((2, config.input_size, config.input_size, 3)) - mean) / std
    return np.asarray(apply(classifier.network.graph, classifier.params, views))


def test_a_second_load_does_not_convert_again(folder, fresh, monkeypatch):
    first = load_classifier(f"{NAME}@{folder}")
    monkeypatch.setattr(loading, "port", None)
    second = load_classifier(NAME, folder)
    assert second.network == first.network
    np.testing.assert_array_equal(logits(second), logits(first))


def test_the_cache_answers_for_its_weights_alone(folder, fresh):
    before = logits(load_classifier(NAME, folder))
    save_file(state_of(seed=1), folder / "model.safetensors")
    assert np.abs(logits(load_classifier(NAME, folder)) - before).max() > 0.01
    assert len(list(fresh.rglob("facts.json"))) == 2


def test_a_flipped_bit_in_the_cache_is_noticed(folder, fresh, caplog):
    before = logits(load_classifier(NAME, folder))
    largest = max((f for f in fresh.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 64
    largest.write_bytes(data)
    np.testing.assert_array_equal(logits(load_classifier(NAME, folder)), before)
    assert "removed, unreadable" in caplog.text
    assert len(list(fresh.rglob("facts.json"))) == 1, "made anew"


@pytest.mark.parametrize("facts", ["", "[]", "{}", '{"num_classes": 7}', None])
def test_unreadable_facts_are_made_anew(folder, fresh, facts, monkeypatch):
    load_classifier(NAME, folder)
    file = next(fresh.rglob("facts.json"))
    good = file.read_text()
    file.unlink() if facts is None else file.write_text(facts)
    assert load_classifier(NAME, folder).config.num_classes == CLASSES
    assert file.read_text() == good
    monkeypatch.setattr(loading, "port", None)
    load_classifier(NAME, folder)


def test_loads_at_the_same_time_do_not_disturb_each_other(folder, fresh):
    code = f"import jaxanon; jaxanon.load_classifier({NAME!r}, {str(folder)!r})"
    several = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in several] == [0, 0, 0]
    assert len(list(fresh.rglob("facts.json"))) == 1
    assert not list(fresh.rglob(".unfinished-*"))


def test_porting_and_the_cache_need_little_memory(tmp_path, fresh):
    """The peak over what is there before, in units of the weights' size; both ways."""
    save_file(state_of("resnet34", 1000), tmp_path / "model.safetensors")
    code = f"""
import resource, jax, jaxanon
from jaxanon.classifiers import loading
from jaxanon.classifiers.weights import hub
jax.numpy.zeros(1).block_until_ready()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
jaxanon.load_classifier("resnet34", {str(tmp_path)!r})
print(peak() - before)
"""
    size = (tmp_path / "model.safetensors").stat().st_size
    for _ in range(2):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        # 60 MB are Orbax's own code, which counts for less in larger networks.
        assert int(done.stdout) < 2.5 * size + 60e6, done.stderr


def test_without_a_writable_cache_loading_goes_on(folder, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JAXANON_CACHE", str(tmp_path / "file"))
    assert load_classifier(NAME, folder).config.num_classes == CLASSES
    assert "the ported weights are not cached" in caplog.text


def test_the_cache_follows_the_users_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("JAXANON_CACHE")
    assert user_cache() == tmp_path / "jaxanon"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_cache().parts[-2:] == (".cache", "jaxanon")
    monkeypatch.setenv("JAXANON_CACHE", "~/x")
    assert user_cache() == Path.home() / "x"
    monkeypatch.setenv("JAXANON_CACHE", "x")
    assert user_cache() == Path.cwd() / "x"


def test_the_number_of_classes_comes_from_the_head(folder, state):
    (folder / "config.json").unlink()
    classifier = load_classifier(f"{NAME}@{folder / 'model.safetensors'}")
    assert classifier.name == NAME, "the tag of such weights is not known"
    assert (classifier.config.num_classes, classifier.config.input_size) == (CLASSES, 224)
    assert classifier.config.licence == "unknown"
    assert logits(classifier).shape == (2, CLASSES)


def test_a_configuration_that_contradicts_the_head_is_refused(folder):
    (folder / "config.json").write_text(json.dumps({"num_classes": 1000}))
    with pytest.raises(WeightsError, match=r"head has 7 classes, but config\.json says 1000"):
        load_classifier(NAME, folder)


def test_classifiers_with_different_classes_decide_together(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "model.safetensors"
    save_file(state_of(classes=11, seed=2), other)
    both = load_all([f"{NAME}@{folder}", f"{NAME}@{other}"], quiet=True)
    assert [c.name for c in both] == [f"{NAME}@{folder}", f"{NAME}@{other}"], "told apart by path"
    assert [c.config.num_classes for c in both] == [CLASSES, 11]
    images = [np.uint8(pixels((80, 90, 3), seed) * 255) for seed in range(3)]
    assert Ensemble(both).decide(images).shape == (2, 3)


@pytest.mark.parametrize(
    ("dtype", "gap"),
    [("float64", 1e-6), ("float16", 1e-2), ("bfloat16", 0.1), ("float8_e4m3fn", 1.0)],
)
def test_any_float_type_loads(folder, state, dtype, gap):
    exact = logits(load_classifier(NAME, folder))
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    stored = {key: value.astype(kind) for key, value in state.items()}
    if dtype == "float8_e4m3fn":
        write_float8(stored, folder / "model.safetensors")
    else:
        save_file(stored, folder / "model.safetensors")
    classifier = load_classifier(NAME, folder)
    assert classifier.params["conv_stem"]["kernel"].dtype == np.float32
    assert np.abs(logits(classifier) - exact).max() <= gap * np.abs(exact).max()


def write_float8(state, path):
    """As PyTorch writes it; the library's NumPy side lacks the type."""
    header, blobs, at = {}, [], 0
    for key, value in state.items():
        blobs.append(value.tobytes())
        end = at + len(blobs[-1])
        header[key] = {"dtype": "F8_E4M3", "shape": value.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def test_quantized_weights_are_refused_by_name(folder, state):
    stored = {**state, "conv_head.weight": np.int8(state["conv_head.weight"] * 100)}
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"conv_head\.weight is int8, not a float \(quantized"):
        load_classifier(NAME, folder)


def test_truncated_weights_are_refused_and_not_cached(folder, fresh):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(WeightsError, match=r"model\.safetensors: not a readable safetensors file"):
        load_classifier(NAME, folder)
    assert not list(fresh.rglob("*.json"))


def test_what_is_said_of_a_file_is_said_whenever_it_is_loaded(tmp_path, fresh, caplog):
    """The cache of ported weights answers the second time."""
    average, last = state_of(seed=1), state_of(seed=2)
    file = tmp_path / "last.pth.tar"
    with torch_names() as torch:
        pairs = {
            name: {
                key: tensor_of(torch, f"{name}{i}", array)
                for i, (key, array) in enumerate(state.items())
            }
            for name, state in (("state_dict", last), ("state_dict_ema", average))
        }
        stored = {n: {k: tensor for k, (tensor, _) in pairs[n].items()} for n in pairs}
        storages = [storage for found in pairs.values() for _, storage in found.values()]
        write_zip(file, {"epoch": 3, **stored}, storages)
    save_file(average, tmp_path / "average.safetensors")
    wanted = logits(load_classifier(NAME, tmp_path / "average.safetensors"))
    for _ in range(2):
        caplog.clear()
        with caplog.at_level("INFO"):
            found = logits(load_classifier(NAME, file))
        np.testing.assert_array_equal(found, wanted)
        text = "the weights are those of state_dict_ema; the file also has state_dict"
        assert f"{NAME}: {text}" in caplog.messages


def test_a_network_among_other_things(folder, state, caplog):
    exact = logits(load_classifier(NAME, folder))
    inside = {f"model.{key}": value for key, value in state.items()}
    more = {"criterion.weight": np.ones(7, np.float32), "n_averaged": np.zeros((), np.int64)}
    save_file({**inside, **more}, folder / "model.safetensors")
    with caplog.at_level("INFO"):
        np.testing.assert_array_equal(logits(load_classifier(NAME, folder)), exact)
    assert f"{NAME}: the network is model.*; 2 other keys are unused" in caplog.messages
    teacher = {f"teacher.{key}": value for key, value in state.items()}
    save_file({**inside, **teacher}, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"several networks fit: model\.\*, teacher\.\*; save"):
        load_classifier(NAME, folder)


def test_a_robust_network_beside_what_attacked_it(folder, state, caplog):
    """The key names of the public robust ImageNet models."""
    exact = logits(load_classifier(NAME, folder))
    stored = {f"module.model.{key}": value for key, value in state.items()}
    stored |= {f"module.attacker.model.{key}": value + 1 for key, value in state.items()}
    for place in ("normalizer", "attacker.normalize"):
        stored |= {f"module.{place}.new_{s}": np.ones((3, 1, 1)) for s in ("mean", "std")}
    save_file(stored, folder / "model.safetensors")
    with caplog.at_level("INFO"):
        np.testing.assert_array_equal(logits(load_classifier(NAME, folder)), exact)
    unused = len(state) + 4
    assert f"{NAME}: the network is module.model.*; {unused} other keys are unused" in (
        caplog.messages
    )


@pytest.mark.parametrize("path", ["~nobody-of-that-name/x.pth", "x" * 3000 + ".pth"])
def test_paths_that_cannot_be(path):
    with pytest.raises(WeightsError, match=f"^{NAME}: "):
        load_classifier(f"{NAME}@{path}")


def test_a_configuration_with_a_byte_order_mark(folder):
    file = folder / "config.json"
    file.write_text(file.read_text(), encoding="utf-8-sig")
    assert load_classifier(NAME, folder).config.input_size == SIZE


def test_a_pointer_of_git_is_not_taken_for_weights(folder, state):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    for name in ("last.pth", "model.safetensors"):
        (folder / name).write_text(pointer)
        with pytest.raises(WeightsError, match=rf"{name}: a Git LFS pointer.* git lfs pull"):
            load_classifier(NAME, folder / name)
    for name in ("config.json", "model.safetensors.index.json"):
        (folder / name).write_text(pointer)
        with pytest.raises(WeightsError, match=rf"{name}: .*a Git LFS pointer.* git lfs pull"):
            load_classifier(NAME, folder / name if "index" in name else folder)


def shard(folder, state, parts=3):
    """Weights in several files with their index, as the hub has large ones."""
    keys, where = list(state), {}
    for i in range(parts):
        name = f"model-{i + 1:05}-of-{parts:05}.safetensors"
        save_file({key: state[key] for key in keys[i::parts]}, folder / name)
        where |= dict.fromkeys(keys[i::parts], name)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": where}))
    return index


def test_weights_in_several_files(folder, fresh, state):
    exact = logits(load_classifier(NAME, folder))
    (folder / "model.safetensors").unlink()
    index = shard(folder, state)
    for place in (folder, index):
        np.testing.assert_array_equal(logits(load_classifier(NAME, place)), exact)
    shard(folder, state_of(seed=1))
    assert np.abs(logits(load_classifier(NAME, folder)) - exact).max() > 0.01, "other weights"
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(
        WeightsError, match=r"index\.json: model-00002-of-00003\.safetensors not be"
    ):
        load_classifier(NAME, folder)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        ("", "not a usable index"),
        ('{"weight_map": 3}', "not a usable index"),
        ('{"weight_map": {}}', "names no weights"),
        ('{"weight_map": {"a": "../a.safetensors"}}', "no .safetensors beside it"),
        ('{"weight_map": {"a": "a.pth"}}', "no .safetensors beside it"),
        ('{"weight_map": {"no.such": "model.safetensors"}}', "no.such is not in the file"),
    ],
)
def test_an_index_that_cannot_be_right(folder, index, text):
    path = folder / "model.safetensors.index.json"
    path.write_text(index)
    with pytest.raises(WeightsError, match=text):
        load_classifier(NAME, path)


def test_mean_and_std_of_bytes_are_divided_and_that_is_said(folder, caplog):
    exact = logits(load_classifier(NAME, folder))
    table = registry.find(NAME).config
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"]["mean"] = [255 * m for m in table.mean]
    config["pretrained_cfg"]["std"] = [255 * s for s in table.std]
    (folder / "config.json").write_text(json.dumps(config))
    with caplog.at_level("INFO"):
        classifier = load_classifier(NAME, folder)
    np.testing.assert_allclose(classifier.config.mean, table.mean)
    np.testing.assert_allclose(classifier.config.std, table.std)
    np.testing.assert_allclose(logits(classifier), exact, atol=1e-4)
    assert "mean and std are those of pixels in 0 to 255: divided by 255" in caplog.text


@pytest.mark.parametrize(
    ("mean", "std", "wanted"),
    [
        ([0, 0, 0], [255, 255, 255], ((0, 0, 0), (1, 1, 1))),
        ([127.5] * 3, [127.5] * 3, ((0.5,) * 3, (0.5,) * 3)),
        ([123, 117, 104], [1, 1, 1], ((123 / 255, 117 / 255, 104 / 255), (1 / 255,) * 3)),
        ([0, 0, 0], [1, 1, 1], ((0, 0, 0), (1, 1, 1))),
        ([0.5] * 3, [127.5] * 3, "is of pixels in 0..1, std .* of pixels in 0..255"),
        ([127.5] * 3, [0.5] * 3, "neither of pixels in 0..1 nor 0..255"),
        ([300] * 3, [50] * 3, "neither of pixels in 0..1 nor 0..255"),
    ],
)
def test_the_range_of_mean_and_std(folder, mean, std, wanted):
    config = {"num_classes": CLASSES, "mean": mean, "std": std}
    (folder / "config.json").write_text(json.dumps(config))
    if isinstance(wanted, str):
        with pytest.raises(WeightsError, match=wanted):
            load_classifier(NAME, folder)
    else:
        found = load_classifier(NAME, folder).config
        np.testing.assert_allclose((found.mean, found.std), wanted)


@pytest.fixture
def binary(tmp_path):
    """A network with a single output."""
    save_file(state_of(classes=1), tmp_path / "model.safetensors")
    config = {"num_classes": 1, "label_names": ["cat"], "input_size": [3, SIZE, SIZE]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    return tmp_path


def test_a_head_with_one_output_decides_by_its_sign(binary, fresh):
    first = load_classifier(NAME, binary)
    again = load_classifier(NAME, binary)
    assert first.config.num_classes == again.config.num_classes == 2
    assert first.config.labels == ("not cat", "cat")
    views = pixels((2, SIZE, SIZE, 3))
    two = np.asarray(first.logits(views))
    assert again.network == first.network
    np.testing.assert_array_equal(logits(again), logits(first))
    output = logits(first)
    assert output.shape == (2, 1)
    np.testing.assert_allclose(two[:, 1] - two[:, 0], output[:, 0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [1, CLASSES])
def test_a_head_that_gives_one_answer_is_refused(tmp_path, classes):
    state = state_of(classes=classes)
    state["classifier.weight"][:] = state["classifier.weight"][0] if classes > 1 else 0
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match="its head gives the same answer for every image"):
        load_classifier(NAME, tmp_path / "model.safetensors")


def test_another_architecture_is_named(tmp_path):
    save_file(state_of("resnet26", 1000), tmp_path / "x.safetensors")
    with pytest.raises(WeightsError) as error:
        load_classifier("resnet18", tmp_path / "x.safetensors")
    text = str(error.value)
    assert "shape: layer1.0.conv1.weight is (64, 64, 1, 1), the architecture has" in text
    assert "nearest known architecture: resnet26 (100% of the keys agree, shapes too)" in text


def test_sizes_that_an_architecture_cannot_take(tmp_path):
    for name, size in (("vit_tiny_patch16_224", 100), ("swin_tiny_patch4_window7_224", 64)):
        save_file({"x": np.zeros(1, np.float32)}, tmp_path / "model.safetensors")
        config = {"num_classes": 5, "input_size": [3, size, size]}
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(WeightsError, match=rf"{name} needs a multiple of \d+ .*not {size}"):
            load_classifier(name, tmp_path)


def test_the_transformer_of_another_size_loads(tmp_path):
    save_file(state_of("deit_tiny_patch16_224", 3, 96), tmp_path / "model.safetensors")
    config = {"num_classes": 3, "input_size": [3, 96, 96]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert logits(load_classifier("deit_tiny_patch16_224", tmp_path)).shape == (2, 3)


def test_the_tag_of_a_configuration_and_of_the_name(folder):
    config = json.loads((folder / "config.json").read_text())
    config["pretrained_cfg"]["tag"] = "mine"
    (folder / "config.json").write_text(json.dumps(config))
    assert load_classifier(f"{NAME}@{folder}").name == f"{NAME}.mine"
    assert load_classifier(f"{NAME}.yours@{folder}").name == f"{NAME}.yours"


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"architecture": "resnet50"}, "config.json is for resnet50, not mobilenetv3_small_050"),
        ({"global_pool": "max"}, "global_pool is 'max', ours is 'avg'"),
        ({"model_args": {"act_layer": "relu"}}, "model_args change the network: .*act_layer"),
        ({"label_names": ["a", "b"]}, "the head has 7 classes, but config.json has 2 label_names"),
        ({"label_names": "abcdefg"}, "label_names is neither a list nor a mapping"),
        ({"num_classes": 0}, "num_classes is 0"),
        ({"input_size": {"a": 1, "b": 2, "c": 3}}, "input_size .* is not"),
        ({"input_size": [3, 64.5, 64.5]}, "input_size .* is not"),
        ({"input_size": [3, 16, 16]}, "needs 32 pixels a side, not 16"),
        ({"crop_pct": 7}, "crop_pct is 7"),
        ({"tag": "a\nb"}, "is no name"),
        ([[[]]], "not a usable classifier configuration"),
    ],
)
def test_configurations_that_cannot_be_right(folder, config, text):
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(WeightsError, match=text):
        load_classifier(NAME, folder)


def test_labels_by_number_and_more_than_is_read(folder):
    config = {
        "architecture": NAME,
        "label_names": {"0": "ant", "6": "zebra"},
        "global_pool": "avg",
        "model_args": {"num_classes": 7, "in_chans": 3, "global_pool": "avg"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    labels = load_classifier(NAME, folder).config.labels
    assert labels == ("ant", *(f"class {i}" for i in range(1, 6)), "zebra")


def test_what_is_assumed_without_a_configuration_is_said(folder, caplog):
    (folder / "config.json").unlink()
    with caplog.at_level("INFO"):
        load_classifier(NAME, folder)
    assert "no config.json; preprocessing as for the default weights" in caplog.text


def test_keys_of_a_training_wrapper(folder, state):
    exact = logits(load_classifier(NAME, folder))
    for wrapper in ("module", "module._orig_mod"):
        save_file({f"{wrapper}.{k}": v for k, v in state.items()}, folder / "model.safetensors")
        np.testing.assert_array_equal(logits(load_classifier(NAME, folder)), exact)


def test_foreign_arrays_are_not_reshaped_at_will(tmp_path):
    """torchvision's names allow for axes of one, not for another order of axes."""
    wanted = expected(registry.find("convnext_tiny").build(3))
    state = {}
    for key, value in draw(wanted).items():
        if key.startswith("stem."):
            key = key.replace("stem.", "features.0.")
        state[key] = value
    state["features.0.0.weight"] = state["features.0.0.weight"].reshape(96, 4, 4, 3)
    renamed = {
        k.replace("head.norm", "classifier.0").replace("head.fc", "classifier.2"): v
        for k, v in state.items()
    }
    save_file(renamed, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"shape: stem\.0\.weight is \(96, 4, 4, 3\)"):
        load_classifier("convnext_tiny", tmp_path / "x.safetensors")


def test_weights_that_overflow_are_refused(folder, state):
    wide = {key: value.astype(np.float64) for key, value in state.items()}
    wide["classifier.weight"] = wide["classifier.weight"] * 1e300
    save_file(wide, folder / "model.safetensors")
    with pytest.raises(WeightsError, match="value: classifier overflows"):
        load_classifier(NAME, folder)


@pytest.mark.parametrize("name", ["resnet18.", "resnet18.a/b", "resnet18.a..b", "resnet18. x"])
def test_what_is_no_tag(name):
    with pytest.raises(UsageError, match=r"is no tag; the default weights are resnet18\.a1_in1k"):
        load_classifier(name)


def test_an_empty_path_is_not_the_default():
    with pytest.raises(UsageError, match="resnet18@ names no path"):
        load_classifier("resnet18@")


def test_names():
    assert registry.find("resnet50").name == "resnet50.a1_in1k"
    other = registry.find("resnet50.tv_in1k")
    assert (other.name, other.repository) == ("resnet50.tv_in1k", "timm/resnet50.tv_in1k")
    assert other.config.origin == "https://huggingface.co/timm/resnet50.tv_in1k"
    assert other.config.licence == "unknown"
    with pytest.raises(WeightsError, match="no weights of it are published; give your own"):
        load_classifier("mobilenetv2_035")
    with pytest.raises(UsageError, match="near matches: resnet"):
        registry.find("resnet51")
