"""The ablation: its statistics by hand, and a small one end to end."""

import json
from argparse import Namespace
from pathlib import Path

import ablate_transfer
import numpy as np
import pytest
from ablation_choices import by_any, cross_validated
from ablation_plot import plot
from ablation_report import (
    compared,
    difference,
    figures,
    ladder,
    pairs,
    report,
    show,
    summary,
)
from ablation_results import after, bits, interval, outcomes, text_of, unpacked
from ablation_rows import ROWS, recorded, rows_of, settings_of, still_holds
from PIL import Image
from samples import picture
from visible_change import GAP, LINE, sheet

from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.display.tables import table
from jaxanon.errors import UsageError
from jaxanon.io.images import read_image


def test_rows_on_record_hold_while_their_settings_do():
    now = recorded("fast")
    younger = {name: value for name, value in now.items() if name != "verify_every"}
    assert still_holds("fast", now)
    assert still_holds("fast", younger), "that setting came later"
    assert not still_holds("fast", {**now, "steps": 3})
    assert not still_holds("gone", now)


def run_of(sources, adapted, gradients=100.0):
    return {
        "sources": sources,
        "seed": 0,
        "gradients": gradients,
        "psnr": 26.0,
        "anonymized": dict.fromkeys(adapted, "0000"),
        "adapted": adapted,
        "under": {"jpeg75": ["1" * 4] * len(sources)},
    }


@pytest.fixture
def result():
    """Two rows of three classifiers: each is best for other targets."""
    names = ["a", "b", "c"]

    def row(kept, gradients=100.0):
        runs = [
            run_of([source], {name: "1111" if name == source else kept[name] for name in names},
                   gradients)
            for source in names
        ]  # fmt: skip
        return {"settings": {}, "seconds": 1.0, "runs": runs}

    return {
        "photos": ["1", "2", "3", "4"],
        "method": "blur",
        "strength": 6.0,
        "number": 1,
        "classifiers": dict.fromkeys(names, "x"),
        "decisions": {"a": "1 2 3 4", "b": "1 2 3 5", "c": "1 2 4 5"},
        "rows": {
            "one": row({"a": "1111", "b": "1000", "c": "1000"}),
            "two": row({"a": "1100", "b": "1100", "c": "1100"}),
            "dear": row({"a": "1111", "b": "1111", "c": "1111"}, 500.0),
        },
    }


def test_outcomes_tell_targets_from_sources(result):
    one = result["rows"]["one"]
    targets = outcomes(one, "adapted", targets=True)
    assert targets.shape == (6, 4)
    assert targets.mean() == pytest.approx((2 * 4 + 4 * 1) / 24)
    assert outcomes(one, "adapted", targets=False).all()
    assert not outcomes(one, "anonymized", targets=True).any()
    assert after(one, "jpeg75").shape == (3, 4)
    kept = np.array([True, False, True])
    np.testing.assert_array_equal(unpacked(bits(kept)), kept)


def test_the_interval_is_over_photos(rng):
    """Pairs of one photo go together: six equal pairs tell no more than one."""
    one = rng.random((1, 200)) < 0.7
    found = interval(one)
    assert text_of(np.repeat(one, 6, 0)) == text_of(one)
    assert found.mean == 100 * one.mean()
    expected = 1.96 * np.sqrt(one.mean() * (1 - one.mean()) / 200)
    assert (found.high - found.low) / 200 == pytest.approx(expected, rel=0.15)


def test_the_choice_for_a_target_does_not_see_it(result):
    """For `a` the others speak for `two`; what that keeps of `a` is counted, not the 100 %."""
    (line,) = cross_validated(result)
    assert "(two, one, one)" in line
    assert line.split(": ")[1].startswith(f"{100 * (2 + 1 + 1) / 12:.1f} ")
    del result["rows"]["two"]
    assert cross_validated(result) == []


def test_what_one_row_or_another_keeps(result):
    result["rows"]["dear"]["settings"]["eps"] = 32
    (line,) = by_any(result)
    assert line.startswith(f"kept by one row or another: {100 * (4 + 2 + 2) / 12:.1f} ")
    assert line.endswith("(2 rows), with other bounds too 100.0 (100-100) (3)")
    del result["rows"]["two"]
    assert by_any(result) == []


def test_tables(result):
    head, body = figures(result)
    assert [row[0] for row in body] == ["one", "two", "dear"]
    assert body[2][head.index("gradients")] == "500"
    assert "blur 6, one source, 4 photos" in show(result)
    text = table(head, body, markdown=True)
    assert "| two | 50.0 (0-100) | 0.0 (0-0) | 100.0 (100-100) |" in text


def test_rows_are_compared_photo_by_photo(result):
    """Differences are paired, so a row does not differ from itself, whatever its interval."""
    rows = result["rows"]
    rows["signs"] = rows.pop("two")
    del rows["one"]
    head, body = figures(result)
    at = head.index("against signs")
    assert {row[0]: row[at] for row in body} == {"dear": "+50.0 (+0 to +100)", "signs": ""}
    assert difference(rows["dear"], rows["dear"]) == "+0.0 (+0 to +0)"
    rows["fast"] = rows.pop("dear")
    (line,) = summary({"some": result})[1]
    assert line[4:7] == ["50.0 (0-100)", "", ""]
    rows["transfer"] = rows["signs"]
    (line,) = summary({"some": result})[1]
    assert line[:9] == [
        "a, b, c", "blur 6, one source, 4 photos",
        "0.0 (0-0)", "100.0 (100-100)", "50.0 (0-100)", "", "**50.0 (0-100)**",
        f"{100 * 2 * (3 + 2 + 3) / 24:.1f}",  # a and b agree on 3 originals, a and c on 2
        f"{100 * 2 * (2 + 2 + 2) / 16:.1f}",  # the row keeps the first two of each
    ]  # fmt: skip
    assert pairs(result) == (
        ["adapted to", "a", "b", "c"],
        [["a", "100", "50", "50"], ["b", "50", "100", "50"], ["c", "50", "50", "100"]],
    )


def test_larger_bounds_are_compared_with_the_usual_one(result):
    rows = result["rows"]
    rows["transfer"], rows["transfer, bound 32"] = rows.pop("one"), rows.pop("two")
    assert ladder({"some": {**result, "rows": {"transfer": rows["transfer"]}}})[1] == []
    (least, most) = ladder({"some": result})[1]
    assert least[2:5] == ["16", text_of(outcomes(rows["transfer"], "adapted", targets=True)), ""]
    assert most[2:4] == ["32", "50.0 (0-100)"]
    assert most[4] == difference(rows["transfer, bound 32"], rows["transfer"])
    assert most[5:] == ["75.0", "26.0", "", "", "1"]


def test_the_plot_shows_each_row_at_its_figures(result):
    over, visible, rows = plot(result).axes
    assert [label.get_text() for label in rows.get_yticklabels()] == ["one", "two", "dear"]
    points = [bars[0].get_xydata()[0] for bars in over.containers]
    np.testing.assert_allclose(points, [(100, 50), (100, 50), (500, 100)])
    points = [bars[0].get_xydata()[0] for bars in visible.containers]
    np.testing.assert_allclose(points, [(26, 50), (26, 50), (26, 100)])
    points = [bars[0].get_xydata()[0] for bars in rows.containers]
    np.testing.assert_allclose(points, [(50, 0), (50, 1), (100, 2)])
    found = interval(outcomes(result["rows"]["one"], "adapted", targets=True))
    (bar,) = rows.containers[0][2]
    assert bar.get_segments()[0][:, 0] == pytest.approx([found.low, found.high])


def test_every_row_is_a_setting():
    for row in ROWS:
        assert settings_of(row, 3).seed == 3
    with pytest.raises(UsageError, match=r"--rows: \['tranfer'\]"):
        rows_of("tranfer;fast")


def test_quick_compares_the_photos_that_are_on_record(result):
    """New photos do not count; what differs by more than the interval is said."""
    record = json.loads(json.dumps(result))
    record["rows"] = {"transfer": record["rows"]["one"]}
    found = json.loads(json.dumps(record))
    assert compared(found, record)[1]
    found["photos"] = ["1", "new", "3", "4"]
    text, agrees = compared(found, record)
    assert agrees
    assert "of these 3 photos" in text
    for run in found["rows"]["transfer"]["runs"]:
        run["adapted"] = dict.fromkeys(run["adapted"], "0000")
    text, agrees = compared(found, record)
    assert not agrees
    assert text.startswith("0.0 % of these 3 photos; on record ")
    assert text.endswith("DIFFERS")
    assert compared(found, None) == ("nothing of this is on record", False)
    assert not compared({**found, "photos": ["x"]}, record)[1]


@pytest.mark.slow
def test_the_script_measures_prints_and_keeps_rows(tmp_path, tinies, monkeypatch, capsys):
    alike = tinies[::2]  # of one architecture, so that each row is compiled once
    monkeypatch.setattr(ablate_transfer, "load_all", lambda names: alike)
    for i in range(2):
        Image.fromarray(picture(i, 60, 70)).save(tmp_path / f"{i}.png")
    file = tmp_path / "found.json"
    words = ["--photos", str(tmp_path), "--only", "--strength", "12", "--json", str(file)]

    def row(name, *more):
        return ablate_transfer.main([*words, "--rows", name, *more])

    assert row("fast", "--seeds", "0,1") == 0
    assert row("signs, 10 steps") == 0
    (name,) = (found := json.loads(file.read_text()))
    assert name == "tiny_a+tiny_c; blur 12; 1 source(s)"
    rows = found[name]["rows"]
    assert list(rows) == ["fast", "signs, 10 steps"]
    assert [run["seed"] for run in rows["fast"]["runs"]] == [0, 0, 1, 1], "of two sources"
    assert rows["signs, 10 steps"]["settings"]["steps"] == 10
    assert "signs, 10 steps" in capsys.readouterr().out
    rows["fast"]["settings"]["step"] = 7.0
    file.write_text(json.dumps(found))
    assert row("transfer", "--quick") == 1, "nothing of it is on record"
    assert "nothing of this is on record" in capsys.readouterr().out
    (left,) = json.loads(file.read_text()).values()
    assert "fast" not in left["rows"], "measured with other settings"
    assert "transfer" in left["rows"]

    Image.fromarray(picture(5, 60, 70)).save(tmp_path / "5.png")
    for more, text in (
        (["fast"], f"--json {file} holds this of other photos"),
        (["fast", "--seeds", "0,x"], "--seeds 0,x: give whole numbers"),
        (["fast", "--number", "2"], "--number is 2; it must leave a target of 2"),
        (["fast", "--quick"], "--quick measures the row transfer alone"),
        (["slow"], "--rows: ['slow']"),
    ):
        assert row(*more) == 2
        assert text in capsys.readouterr().err
    file.write_text("{")
    assert row("fast") == 2
    assert "holds no results" in capsys.readouterr().err
    assert ablate_transfer.main(["--only"]) == 2
    assert "no photos" in capsys.readouterr().err


@pytest.mark.parametrize("half", [False, True])
def test_outcomes_are_those_of_the_saved_files(tmp_path, tinies, half):
    paths = []
    for i in range(3):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(picture(i, 60, 70)).save(paths[-1])
    args = Namespace(method="blur", strength=12.0, half=half)
    settings = settings_of("signs, 10 steps", 0)
    out = tmp_path / "out"
    found = ablate_transfer.adapt(args, paths, tinies[:1], tinies[1:], settings, out)
    everyone = Ensemble(tinies)
    reference = everyone.decide([read_image(path) for path in paths])
    saved = [read_image(out / f"{i}.png") for i in range(3)]
    kept = everyone.decide(saved) == reference
    for name, outcome in zip(everyone.names, kept, strict=True):
        np.testing.assert_array_equal(unpacked(found["adapted"][name]), outcome)
    flipped = everyone.decide([image[:, ::-1] for image in saved])[0] == reference[0]
    np.testing.assert_array_equal(unpacked(found["under"]["flip"][0]), flipped)
    assert found["sources"] == ["tiny_a"]
    assert 0 < found["gradients"] <= 10
    changed = (saved[0] != read_image(paths[0])).any(-1)
    assert changed[:, 36:].any() != half, "half of the middle lies left"
    assert changed.any()
    assert found["ciede"] > 0.5, "of a blurred picture and one changed by up to 16"
    assert ablate_transfer.ciede2000(saved[0], saved[0]) == 0
    white, black = (np.full((2, 2, 3), level, np.uint8) for level in (255, 0))
    assert ablate_transfer.ciede2000(white, black) == pytest.approx(100, abs=0.01)


def test_the_page_shows_what_was_measured():
    root = Path(__file__).parents[1]
    measured = json.loads((root / "docs" / "benchmarks" / "transfer.json").read_text())
    page = (root / "docs" / "transfer.md").read_text().splitlines()
    assert [line for line in report(measured).splitlines() if line not in page] == []
    for result in measured.values():
        for name, row in result["rows"].items():
            now = recorded(name)
            added = {field: now.pop(field) for field in now.keys() - row["settings"].keys()}
            assert row["settings"] == now, f"{name} is out of date"
            assert all(value == getattr(Settings(), field) for field, value in added.items())


def test_the_sheet_shows_every_pixel(rng):
    pictures = [rng.integers(0, 256, (20, 30, 3), np.uint8) for _ in range(4)]
    shown = np.asarray(sheet([("a title", picture) for picture in pictures]))
    second_row = GAP + (20 + LINE + GAP) + LINE
    last = shown[second_row:, GAP:][:20, :30]
    np.testing.assert_array_equal(last, pictures[3])
