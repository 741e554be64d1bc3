"""The figures in docs/privacy.md are those of the file that the script wrote."""

import json
from pathlib import Path

import pytest
from anonymizers_page import gain, page

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "privacy.md").read_text().splitlines()
RESULTS = json.loads((ROOT / "docs" / "benchmarks" / "anonymizers.json").read_text())["results"]


@pytest.mark.parametrize("name", ["kept", "fast", "transfer", "faces"])
def test_every_line_of_the_tables_is_on_the_page(name):
    lines = page(RESULTS)[name].splitlines()
    assert len(lines) > 5
    assert [line for line in lines if line not in PAGE] == []


def test_no_other_lines_are_on_the_page():
    names = {line for text in page(RESULTS).values() for line in text.splitlines()}
    rows = [line for line in PAGE if line.split(" | ")[0].removeprefix("| ") in RESULTS]
    assert len(rows) > 50
    assert [line for line in rows if line not in names] == []


def test_nothing_is_told_beyond_the_decisions():
    """What the page and the README say of all rows, and of those by pixels and faces."""
    for result in RESULTS.values():
        for found in result["privacy"].values():
            for row in found["reidentification"]:
                for rank in ("rank1", "rank5"):
                    shares = row[rank]
                    assert shares["adapted"]["mean"] <= shares["told"]["mean"]
                    if row["features"] in ("pixels", "faces"):
                        assert not shares["difference"]["worse"]


def test_every_source_keeps_every_decision():
    for result in RESULTS.values():
        for kept in result["kept"].values():
            assert kept["kept"] == kept["images"]


def test_all_anonymizers_are_there():
    words = " ".join(RESULTS)
    for method in ("blur", "pixelate", "solid", "isr", "pairs", "gan"):
        assert method in words


def test_an_attack_that_gains_is_named():
    """In bold where it gains more than the decisions tell."""

    def row(worse, beyond):
        ranks = {
            "difference": {"worse": worse, "mean": 0.25},
            "beyond_decisions": {"worse": beyond},
        }
        return {"attack": "wiener", "rank1": ranks, "rank5": ranks}

    assert gain(row(False, False)) is None
    assert gain(row(True, False)) == "wiener (+25)"
    assert gain(row(True, True)) == "**wiener (+25)**"
