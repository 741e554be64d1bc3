"""A function of PyTorch's as a classifier from outside."""

import json

import numpy as np
import pytest

from jaxanon.classifiers.outside.answers import ask
from jaxanon.classifiers.outside.classifier import Question
from jaxanon.classifiers.outside.loading import load
from jaxanon.classifiers.preprocessing import look

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


def test_scores_and_classes(tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    (tmp_path / "in_torch.py").write_text(MINE)
    (tmp_path / "config.json").write_text(json.dumps({"input_size": [3, 32, 32]}))
    options = "#classes=5&preprocess=config.json"
    images = np.random.default_rng(0).integers(0, 256, (3, 50, 70, 3), np.uint8)
    questions = [Question(image) for image in images]
    scorer = load(f"python:in_torch:scores{options}")
    found = np.stack(ask(scorer, questions))
    decided = np.stack(ask(load(f"python:in_torch:classes{options}"), questions))
    assert (decided.argmax(1) == found.argmax(1)).all()
    views = np.stack([look(image, scorer._config) for image in images])
    from in_torch import scores

    assert isinstance(scores(views), torch.Tensor)
    assert found == pytest.approx(scores(views).numpy())
