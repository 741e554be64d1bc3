"""The script for the study's tables, on two small stand-ins for its classifiers."""

import json
import sys

import pytest
import reproduce_tables as script
from PIL import Image
from samples import picture

ROWS = (
    script.Row("MobileNetV2_100", "mobilenetv3_small_050", 100),
    script.Row("ResNet52", "mobilenetv3_small_075", 60.6),
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    for i in range(2):
        Image.fromarray(picture(i, 90, 100)).save(tmp_path / "photos" / f"{i}.png")
    one, seven = script.TABLES.values()
    small = {"1": one._replace(rows=ROWS), "2": seven._replace(rows=ROWS)}
    monkeypatch.setattr(script, "TABLES", small)

    def run(*words):
        out = ["-o", str(tmp_path / "out"), "--steps", "3"]
        monkeypatch.setattr(sys, "argv", ["x", str(tmp_path / "photos"), *out, *words])
        return script.main()

    return run


@pytest.mark.slow
def test_a_dry_run_is_whole_and_marked(run, tmp_path, capsys):
    assert run("--random") == 0
    shown = capsys.readouterr().out
    for text in (
        "ResNet52 is read as resnet50",
        "Xception61 is read as xception65",
        "Table 1: one source",
        "Table 2: seven sources",
        "mobilenetv3_small_075.random-weights (RANDOM)  target   60.6 %",
        "RANDOM WEIGHTS took part: these figures mean nothing.",
    ):
        assert text in shown
    tables = json.loads((tmp_path / "out" / "tables.json").read_text())
    assert [row["role"] for row in tables["table_1"]] == ["source", "target"]
    assert [row["role"] for row in tables["table_2"]] == ["source", "source"]
    assert all(row["random_weights"] for row in tables["table_1"])
    assert tables["settings"]["steps"] == 3
    report = json.loads((tmp_path / "out" / "table_1" / "report.json").read_text())
    assert set(report["weights"].values()) == {"random numbers"}


def test_without_weights_it_says_what_is_missing_and_how_to_get_it(run, tmp_path, capsys):
    assert run() == 2
    told = capsys.readouterr().err
    names = "mobilenetv3_small_050.lamb_in1k mobilenetv3_small_075.lamb_in1k"
    assert f"jaxanon models pull {names}" in told
    assert "2 of 2 classifiers have no weights" in told
    assert not (tmp_path / "out").exists()


def test_broken_weights_are_not_replaced_by_chance(run, tmp_path, capsys):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "mobilenetv3_small_050.safetensors").write_bytes(b"no weights")
    assert run("--random", "--weights", str(tmp_path / "weights")) == 2
    assert "mobilenetv3_small_050.safetensors: not a readable" in capsys.readouterr().err
