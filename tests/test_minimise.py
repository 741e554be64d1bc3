"""`--minimise`: the smallest change at which the sources are still sure."""

import json

import numpy as np
import pytest
from command_line import jaxanon

from jaxanon.adaptation.settings import Settings
from jaxanon.errors import UsageError
from jaxanon.pipeline import minimising


def adapted(zoo, photos_dir, out, *more):
    words = ["--sources", zoo[0], "--strength", 10, "--quiet", *more]
    assert jaxanon("anonymize", photos_dir, "-o", out, *words) == 0
    return json.loads((out / "report.json").read_text())["images"]


def test_changes_become_smaller_and_decisions_stay(zoo, photos_dir, tmp_path):
    whole = adapted(zoo, photos_dir, tmp_path / "whole")
    bare = ["--set", "minimise_confidence=0"]
    small = adapted(zoo, photos_dir, tmp_path / "small", "--minimise", *bare)
    sure = adapted(zoo, photos_dir, tmp_path / "sure", "--minimise")
    assert {row["status"] for row in whole + small + sure} == {"kept"}
    assert [row["steps"] for row in whole] == [row["steps"] for row in small]
    likeness = [[row["psnr"] or np.inf for row in rows] for rows in (whole, sure, small)]
    for before, sure_of_it, after in zip(*likeness, strict=True):
        assert before <= sure_of_it <= after
    assert any(after > before + 1 for before, _, after in zip(*likeness, strict=True))


@pytest.mark.parametrize(
    ("sureness", "confidence", "share"),
    [
        (16, 8, 8),  # half of the change gives the 8 logits
        (16, 7.5, 8),  # whole parts alone
        (16, 0, 1),  # the decision alone
        (16, 99, 16),  # never that sure: as sure as before
        (-1, 0, 16),  # not kept to begin with
    ],
)
def test_the_smallest_share_that_is_enough(monkeypatch, sureness, confidence, share):
    monkeypatch.setattr(minimising, "scaled", lambda image, part: image | {"part": part})
    made = {"job": sureness, "part": 16}
    monkeypatch.setattr(
        minimising.Minimiser, "_margins",
        lambda self, images: np.array([[i["job"] * i["part"] / 16] for i in images]),
    )  # fmt: skip
    settings = Settings(minimise=True, minimise_confidence=confidence)
    (found,) = minimising.Minimiser(None, settings, list)([made])
    assert found["part"] == share


def test_not_where_it_makes_no_sense(zoo, photos_dir, tmp_path, capsys):
    with pytest.raises(UsageError, match="minimise is True; it must be False for an attack"):
        Settings(goal="avoid", minimise=True)
    words = ["anonymize", photos_dir, "-o", tmp_path / "out", "--sources", zoo[0], "--minimise"]
    assert jaxanon(*words, "--oracles", zoo[2], "--queries", 3) == 2
    assert "minimise is True; it must be False with oracles" in capsys.readouterr().err
