"""Oracles: classifiers that are only asked, and whose decisions are kept too."""

import json
import math

import pytest
from command_line import jaxanon


def adapted(zoo, photos_dir, out, *more):
    words = ["--sources", zoo[0], "--strength", 10, "--eps", 40, "--quiet", *more]
    assert jaxanon("anonymize", photos_dir, "-o", out, *words) == 0
    return json.loads((out / "report.json").read_text())


def agreeing(report, name):
    rows = [row["decisions"][name] for row in report["images"]]
    return sum(row["reference"] == row["adapted"] for row in rows)


def test_the_loop_goes_on_until_the_oracle_agrees(zoo, photos_dir, tmp_path):
    once = adapted(zoo, photos_dir, tmp_path / "a", "--oracles", zoo[2], "--queries", 1)
    often = adapted(zoo, photos_dir, tmp_path / "b", "--oracles", zoo[2], "--queries", 40)
    name = often["classifiers"][1]["name"]
    assert often["classifiers"][1]["role"] == "oracle"
    assert agreeing(once, name) < agreeing(often, name)
    for row in often["images"]:
        decisions = row["decisions"].values()
        kept = all(each["reference"] == each["adapted"] for each in decisions)
        assert (row["status"] == "kept") is kept
        assert 1 <= row["queries"] <= 40
        assert kept or row["queries"] == 40
    assert {row["queries"] for row in once["images"]} == {1}
    assert any(row["queries"] > 1 and row["status"] == "kept" for row in often["images"])
    assert often["guarantee"]["bits"] == pytest.approx(math.log2(10) + math.log2(8), abs=0.01)
    assert "Oracles" in (tmp_path / "b" / "report.html").read_text().title()


def test_queries_and_oracles_belong_together(zoo, photos_dir, tmp_path, capsys):
    words = ["anonymize", photos_dir, "-o", tmp_path / "out", "--sources", zoo[0]]
    assert jaxanon(*words, "--oracles", zoo[2]) == 2
    assert "--queries 0 with 1 --oracles: give both, or none" in capsys.readouterr().err
    assert jaxanon(*words, "--queries", 3) == 2
    assert jaxanon(*words, "--oracles", zoo[0], "--queries", 3) == 2
    assert "name it once" in capsys.readouterr().err
