"""Files, functions and services as oracles of small runs, whose decisions are kept by asking."""

import json
import sys

import numpy as np
import pytest
from command_line import jaxanon
from local_service import CLASSES, LocalService
from PIL import Image
from samples import picture
from test_outside import onnx_model

from jaxanon.classifiers.outside import remembered

FUNCTION = "def scores(images):\n    return [image.mean((0, 1)) for image in images]\n"
WANTS_EDGES = """
import numpy as np
seen = []
def decide(images):
    seen.extend(image.tobytes() for image in images)
    return [int(np.abs(np.diff(image.astype(float), axis=1)).mean() > 8) for image in images]
"""
"""A function that gives labels alone, and never wants a blurred picture."""
MOST = 15
"""Questions about each photo."""


@pytest.fixture
def photos(tmp_path):
    """Three photos, each with another brightest channel, but not by so much that it must stay."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for channel in range(3):
        pixels = picture(20 + channel, 60, 60) / 2
        pixels += 128 - pixels.mean((0, 1))
        pixels[..., channel] += 0.5
        Image.fromarray(pixels.round().astype(np.uint8)).save(folder / f"{channel}.png")
    return folder


@pytest.fixture
def service():
    with LocalService().running() as running:
        yield running


@pytest.fixture
def named(tmp_path, service, monkeypatch):
    """Kind of oracle -> what to write after --oracles; each knows which channel is brightest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(remembered, "user_cache", lambda: tmp_path / "cache")
    (tmp_path / "labels.txt").write_text("\n".join(CLASSES))
    (tmp_path / "brightest.py").write_text(FUNCTION)
    (tmp_path / "m.onnx").write_bytes(onnx_model(channels_first=True))
    config = {"input_size": [3, 8, 8], "crop_pct": 1.0, "mean": [0.5] * 3, "std": [0.5] * 3}
    (tmp_path / "m.json").write_text(json.dumps(config))
    return {
        "file": "onnx:m.onnx",
        "function": "python:brightest:scores#classes=3",
        "service": f"{service.address}#label=result[0].label&labels=labels.txt",
    }


@pytest.mark.parametrize("kind", ["file", "function", "service"])
def test_a_run_is_kept_by_asking(kind, zoo, photos, named, service, tmp_path):
    words = ["--oracles", named[kind], "--queries", MOST, "--strength", 10, "--eps", 40, "--quiet"]
    assert jaxanon("anonymize", photos, "-o", tmp_path / "out", "--sources", zoo[0], *words) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    source, oracle = report["classifiers"]
    assert (source["role"], oracle["role"]) == ("source", "oracle")
    assert oracle["name"] == named[kind].split("#")[0]
    rows = [image["decisions"][oracle["name"]] for image in report["images"]]
    assert [row["reference"] for row in rows] == [0, 1, 2]
    for image, row in zip(report["images"], rows, strict=True):
        agrees = row["adapted"] == row["reference"]
        assert image["status"] == ("kept" if agrees else "partly")
        assert agrees or image["queries"] == MOST
    asked = [image["queries"] for image in report["images"]]
    assert min(asked) == 1 < max(asked) <= MOST
    if kind == "service":  # labels alone win none here
        files = 2 * len(asked) + sum(asked)
        assert service.answered.total() == files, "original, anonymized, and each that was saved"
    else:
        assert {image["status"] for image in report["images"]} == {"kept"}


def test_every_question_is_about_another_file(zoo, photos, tmp_path, monkeypatch):
    """Also where the source is as confident as it is to be before a move begins."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wants_edges.py").write_text(WANTS_EDGES)
    words = ["--oracles", "python:wants_edges:decide#classes=2", "--queries", 6, "--quiet"]
    words += ["--eps", 4]
    words += ["--sources", zoo[0], "--set", "confidence=0", "--set", "max_retries=0"]
    assert jaxanon("anonymize", photos / "0.png", "-o", tmp_path / "out", *words) == 0
    (image,) = json.loads((tmp_path / "out" / "report.json").read_text())["images"]
    assert (image["status"], image["queries"]) == ("partly", 6)
    assert len(set(sys.modules["wants_edges"].seen)) == 1 + 6, "the original, and the files"
