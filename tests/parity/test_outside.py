"""A function of PyTorch's as a classifier from outside."""

import json

import numpy as np
import pytest
from command_line import jaxanon

from jaxanon.classifiers.outside.answers import ask
from jaxanon.classifiers.outside.classifier import Question
from jaxanon.classifiers.outside.loading import load
from jaxanon.classifiers.preprocessing import look
from jaxanon.io.images import read_image

pytestmark = pytest.mark.parity

MINE = """
import torch

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.Flatten(), torch.nn.LazyLinear(5))

def scores(images):
    with torch.inference_mode():
        return model((torch.tensor(images) / 255).permute(0, 3, 1, 2))

def classes(images):
    return scores(images).argmax(1)
"""


OPTIONS = "#classes=5&preprocess=config.json"


@pytest.fixture
def in_torch(tmp_path, monkeypatch):
    """The working directory has the functions, and their preprocessing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in_torch.py").write_text(MINE)
    (tmp_path / "config.json").write_text(json.dumps({"input_size": [3, 32, 32]}))


def test_scores_and_classes(in_torch):
    import torch

    images = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), np.uint8)
    questions = [Question(image) for image in images]
    scorer = load(f"python:in_torch:scores{OPTIONS}")
    found = np.stack(ask(scorer, questions))
    decided = np.stack(ask(load(f"python:in_torch:classes{OPTIONS}"), questions))
    assert (decided.argmax(1) == found.argmax(1)).all()
    views = np.stack([look(image, scorer._config) for image in images])
    from in_torch import scores

    assert isinstance(scores(views), torch.Tensor)
    assert found == pytest.approx(scores(views).numpy())


@pytest.mark.parametrize(
    ("role", "function"), [("target", "scores"), ("oracle", "scores"), ("oracle", "classes")]
)
def test_a_run_asks_it(in_torch, zoo, photos_dir, tmp_path, role, function):
    name, queries = f"python:in_torch:{function}", 30 if role == "oracle" else None
    words = [f"--{role}s", f"{name}{OPTIONS}", *(["--queries", queries] if queries else [])]
    words += ["--sources", zoo[0], "--strength", 10, "--eps", 40, "--quiet"]
    assert jaxanon("anonymize", photos_dir, "-o", tmp_path / "out", *words) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["classifiers"][1] == {"name": name, "role": role}
    images = report["images"]
    rows = [image["decisions"][name] for image in images]
    originals = [Question(read_image(each["input"])) for each in images]
    decided = [scores.argmax() for scores in ask(load(f"{name}{OPTIONS}"), originals)]
    assert [row["reference"] for row in rows] == decided
    if role == "target":
        assert {image["queries"] for image in images} == {None}
        return
    for image, row in zip(images, rows, strict=True):
        agrees = row["adapted"] == row["reference"]
        assert image["status"] == ("kept" if agrees else "partly")
        assert agrees or image["queries"] == queries
    assert any(image["queries"] > 1 and image["status"] == "kept" for image in images)
