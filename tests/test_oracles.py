"""Oracles: classifiers that are only asked, and whose decisions are kept too."""

import json
import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from command_line import jaxanon
from oracles_report import kept_after, plot, report

from jaxanon.adaptation.search import Hints, Move, Questions, next_move
from jaxanon.classifiers.keeping import keeping
from jaxanon.classifiers.labels import same_classes
from jaxanon.classifiers.outside.classifier import Known
from jaxanon.pipeline.oracles import Oracles
from jaxanon.pipeline.record import Record


def adapted(zoo, photos_dir, out, *more):
    words = ["--sources", zoo[0], "--strength", 10, "--eps", 40, *more]
    assert jaxanon("anonymize", photos_dir, "-o", out, *words) == 0
    return json.loads((out / "report.json").read_text())


def agreeing(report, name):
    rows = [row["decisions"][name] for row in report["images"]]
    return sum(row["reference"] == row["adapted"] for row in rows)


def test_the_loop_goes_on_until_the_oracle_agrees(zoo, photos_dir, tmp_path, capsys):
    once = adapted(zoo, photos_dir, tmp_path / "a", "--oracles", zoo[2], "--queries", 1)
    said = (
        f"{once['classifiers'][1]['name']} decides otherwise than on the original after 1 question"
    )
    assert said in capsys.readouterr().out
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


def test_the_file_that_pleases_best_is_the_one_to_go_on_from():
    oracles = Oracles(["s"], ["o"], dict.fromkeys("so", Known(2, None, "o")))

    def decided(source, oracle):
        rows = {"s": source, "o": oracle}
        return Record("i", "o", "partly", decisions={
            name: {"reference": 1, "anonymized": 0, "adapted": adapted}
            for name, adapted in rows.items()
        })  # fmt: skip

    def scores(margin):
        return {"o": np.array([0.0, margin]), "s": np.zeros(2)}

    levels = [np.full(1, i) for i in range(5)]
    first = oracles.better(None, levels[0], decided(1, 0), b"0", scores(-2.0))
    worse = oracles.better(first, levels[1], decided(1, 0), b"1", scores(-3.0))
    assert worse is first
    better = oracles.better(first, levels[2], decided(1, 0), b"2", scores(-1.0))
    assert better.data == b"2"
    equal = oracles.better(better, levels[3], decided(1, 0), b"3", scores(-1.0))
    assert equal.levels is levels[3], "answers without scores are all alike: it moves on"
    assert equal.data == b"2", "the file stays"
    lost = oracles.better(equal, levels[4], decided(0, 1), b"4", scores(5.0))
    assert lost is equal, "sources come first"


def test_moves_keep_to_the_bounds_and_to_what_may_change():
    side = 64
    below = np.full((side, 3, side), 16, np.uint8)
    below[:, :, :40] = 0  # another region is private
    problem = SimpleNamespace(
        below=below, above=below // 2, seed=3, one_channel=False, decisions=None
    )
    start = np.zeros((side, 3, side), np.int16)
    moves = [next_move(start, problem, Questions(asked, 100)) for asked in range(1, 100)]
    assert {move.steps for move in moves} == {0, 4}
    assert [asked for asked, move in enumerate(moves, 1) if move.steps] == list(range(10, 100, 10))
    for move in (move for move in moves if not move.steps):
        assert (move.levels >= -below.astype(int)).all()
        assert (move.levels <= below // 2).all()
        assert (move.levels != 0).any()
        assert not move.levels[:, :, :40].any()
    sizes = [np.count_nonzero(move.levels) for move in moves if not move.steps]
    assert np.mean(sizes[:20]) > 2 * np.mean(sizes[-20:])
    again = next_move(start, problem, Questions(7, 100))
    assert (again.levels == moves[6].levels).all()
    one_channel = SimpleNamespace(**{**vars(problem), "one_channel": True})
    grey = next_move(start, one_channel, Questions(7, 100))
    assert (grey.levels[:, :1] == grey.levels).all()


def test_labels_alone_leave_the_search_to_the_sources():
    levels = np.ones((4, 3, 4), np.int16)
    problem = SimpleNamespace(decisions="own")
    move = next_move(levels, problem, Questions(7, 100, Hints(labels_alone=True)))
    assert move == Move(levels, 4, "own")
    oracles = Oracles(["s"], ["o", "p"], dict.fromkeys("sop", Known(3, None, "o")))
    bare, scores = np.array([0.0, 1.0, 0.0]), np.array([0.1, 0.7, 0.2])
    assert oracles.gave_labels_alone({"s": scores, "o": bare, "p": bare})
    assert not oracles.gave_labels_alone({"s": bare, "o": bare, "p": scores})


def test_sources_are_led_to_what_each_oracle_decides_on_the_original():
    """In turn; where its classes are theirs, and the first one alone counts."""
    classes = dict.fromkeys("stop", Known(5, None, "x")) | {"t": Known(4, None, "x")}
    decisions = {name: {"reference": i} for i, name in enumerate("stop")}
    decisions["o"]["reference"] = 0
    aims = Oracles("st", "op", classes).aims(decisions)
    assert [aim.tolist() for aim in aims] == [[0, 1], [3, 1]], "t has other classes"
    assert Oracles("st", "op", classes, keeping("top3")).aims(decisions) == ()
    levels, problem = np.ones((4, 3, 4), np.int16), SimpleNamespace(decisions="own")
    for labels_alone, every in ((True, 1), (False, 10)):
        for number in range(1, 6):
            hints = Hints(labels_alone, tuple(range(number)))
            questions = [Questions(every * turn, 1000, hints) for turn in range(1, 4 * number + 1)]
            led = Counter(next_move(levels, problem, each).decisions for each in questions)
            assert led == {"own": number, **dict.fromkeys(range(number), 3)}, "all alike"


def test_classes_are_the_same_by_their_names():
    names = tuple("abcde")
    one = Known(5, names, "x")
    assert same_classes(one, Known(5, ("A", "b ", "c, the third", "y", "z"), "y"))
    assert not same_classes(Known(2, ("a", "b"), "x"), Known(2, ("a", "c"), "y"))
    assert not same_classes(one, Known(5, names[::-1], "x"))
    assert not same_classes(one, Known(6, (*names, "f"), "x"))
    assert not same_classes(one, Known(5, None, "x")), "its order is not known"
    assert same_classes(Known(5, None, "x"), Known(5, None, "y"))


def test_the_page_shows_what_was_measured():
    root = Path(__file__).parents[1]
    measured = json.loads((root / "docs" / "benchmarks" / "oracles.json").read_text())
    page = (root / "docs" / "black-box.md").read_text().splitlines()
    assert [line for line in report(measured).splitlines() if line not in page] == []


def test_agreement_over_the_files_asked_about():
    runs = [{"kept": [1, 3, 0, 7]}, {"kept": [1, 1, 1, 0]}]
    np.testing.assert_allclose(kept_after(runs, np.array([1, 2, 3, 9])), np.array([4, 4, 5, 6]) / 8)
    found = {"a.objects64; x": {"photos": ["p"] * 4, "queries": 9, "runs": runs}}
    (axes,) = plot(found).axes
    (line,) = axes.lines
    assert line.get_label() == "a; x"
    assert line.get_ydata()[-1] == 75
