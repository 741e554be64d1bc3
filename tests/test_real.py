"""Real weights on real photos: the decisions, and the repair of a few of them."""

import json

import numpy as np
import pytest

from jaxanon import list_classifiers, load_classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.cli import main
from jaxanon.errors import UsageError, WeightsError
from jaxanon.io.images import read_image


@pytest.fixture(scope="module")
def lite0():
    return load_classifier("tf_efficientnet_lite0")


def test_eighteen_of_twenty_photos_are_right(photos, lite0):
    decided = Ensemble([lite0]).decide([read_image(path) for path, _ in photos])[0]
    assert int((decided == [label for _, label in photos]).sum()) == 18


def test_a_classifier_carries_its_configuration(lite0):
    assert lite0.name == "tf_efficientnet_lite0.in1k"
    config = lite0.config
    assert (config.input_size, config.crop_pct, config.interpolation) == (224, 0.875, "bicubic")
    assert (config.mean, config.std, config.num_classes) == ((0.5,) * 3, (0.5,) * 3, 1000)
    assert config.licence == "apache-2.0"
    logits = lite0.logits(np.zeros((2, 224, 224, 3), np.float32))
    assert logits.shape == (2, 1000)
    assert logits.dtype == np.float32


def test_names():
    assert list_classifiers("*lite[01]*") == [f"tf_efficientnet_lite{i}.in1k" for i in (0, 1)]
    with pytest.raises(UsageError, match="near matches: tf_efficientnet_lite0"):
        load_classifier("efficientnet_lite0")
    with pytest.raises(WeightsError, match=r"lite4.*HF_HUB_OFFLINE is set(.|\n)*give a local"):
        load_classifier("tf_efficientnet_lite4")


@pytest.mark.slow
def test_a_photo_of_1024_by_683_is_repaired_at_full_resolution(photos, lite0, tmp_path):
    path = next(path for path, _ in photos if read_image(path).shape == (683, 1024, 3))
    boxes = [{"url": path.name, "bboxes": [{"x0": 100, "y0": 40, "x1": 760, "y1": 640}]}]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    out, plain = tmp_path / "out", tmp_path / "plain"
    code = main(
        ["anonymize", str(path), "-o", str(out), "--method", "solid", "--quiet"]
        + ["--regions", str(tmp_path / "boxes.json"), "--save-anonymized", str(plain)]
        + ["--sources", "tf_efficientnet_lite0", "--preset", "fast"]
    )
    assert code == 0
    report = json.loads((out / "report.json").read_text())
    row = report["images"][0]
    assert row["status"] == "kept"
    decisions = row["decisions"]["tf_efficientnet_lite0.in1k"]
    assert decisions["anonymized"] != decisions["reference"] == decisions["adapted"]

    saved, anonymized = (read_image(f / f"{path.stem}.png") for f in (out, plain))
    assert saved.shape == (683, 1024, 3)
    free = np.zeros((683, 1024), bool)
    free[:, 171:826] = True  # the box grown by a tenth, within the centred square
    np.testing.assert_array_equal(saved[~free], anonymized[~free])
    assert (saved[free] != anonymized[free]).any()
    assert np.abs(saved.astype(int) - anonymized).max() <= 16
