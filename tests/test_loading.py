"""From weights in files to classifiers: what loads, what is refused, what is kept."""

import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxanon import Ensemble, UsageError, WeightsError, load_classifier
from jaxanon.classifiers import cache, loading, registry
from jaxanon.classifiers.drawn import draw, pixels
from jaxanon.classifiers.port import expected
from jaxanon.commands.common import load_all

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


def logits(classifier):
    size = classifier.config.input_size
    return np.asarray(classifier.logits(pixels((2, size, size, 3))))


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


def test_without_a_writable_cache_loading_goes_on(folder, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JAXANON_CACHE", str(tmp_path / "file"))
    assert load_classifier(NAME, folder).config.classes == CLASSES
    assert "the ported weights are not cached" in caplog.text


def test_the_cache_follows_the_users_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("JAXANON_CACHE")
    assert cache.root() == tmp_path / "jaxanon"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.root().parts[-2:] == (".cache", "jaxanon")


def test_the_number_of_classes_comes_from_the_head(folder, state):
    (folder / "config.json").unlink()
    classifier = load_classifier(f"{NAME}@{folder / 'model.safetensors'}")
    assert classifier.name == NAME, "the tag of such weights is not known"
    assert (classifier.config.classes, classifier.config.input_size) == (CLASSES, 224)
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
    assert [c.config.classes for c in both] == [CLASSES, 11]
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


def test_names():
    assert registry.find("resnet50").name == "resnet50.a1_in1k"
    other = registry.find("resnet50.tv_in1k")
    assert (other.name, other.repository) == ("resnet50.tv_in1k", "timm/resnet50.tv_in1k")
    assert other.config.source == "https://huggingface.co/timm/resnet50.tv_in1k"
    assert other.config.licence == "unknown"
    with pytest.raises(WeightsError, match="no weights of it are published; give your own"):
        load_classifier("mobilenetv2_035")
    with pytest.raises(UsageError, match="near matches: resnet"):
        registry.find("resnet51")
