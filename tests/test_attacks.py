"""Attacks of other packages beside ours: what is read off the record, and the page."""

import json
from pathlib import Path

import numpy as np
import pytest
from attack_results import (
    best_peer,
    equal,
    fixed_and_per_gradient,
    gradients_per_image,
    on_targets,
    ratios,
    rounds_of,
    rows_of,
    seconds_per_image,
    share_of,
)
from attack_rows import BASE, EPS, OURS, PEERS, chosen, order_of, settings_of
from attack_views import enlarged, seen_by
from attacks_page import at_equal_concordance, ceilings, costs, headline, kept, report, show
from samples import picture

from jaxanon.classifiers import registry
from jaxanon.classifiers.preprocessing import look
from jaxanon.errors import UsageError

ROOT = Path(__file__).parents[1]
CONFIG = registry.find("tf_efficientnet_lite0").config


def made(bits, cpu, gradients, *, peer):
    return {
        "seconds": 2 * cpu,
        "cpu_seconds": cpu,
        "steps": float(gradients),
        "gradients": float(gradients),
        "psnr": 25.0,
        "kept": dict(zip("abc", bits, strict=True)),
        "enlarged": dict.fromkeys("abc", "01") if peer else None,
        "enlarged_psnr": 30.0 if peer else None,
        "host_seconds": None if peer else {"compile": 9.0, "read back": 0.5},
    }


@pytest.fixture
def result():
    """Two rounds of two photos, of the sources a and b; a long peer in the first alone."""

    def one(source, photos, long):
        rows = {
            "DIFGSM": made(("11", "10", "00"), 1.0, 10, peer=True),
            "TIFGSM": made(("11", "11", "10"), 3.0, 10, peer=True),
            "transfer": made(("11", "11", "11"), 10.0, 100, peer=False),
            BASE: made(("11", "11", "11"), 4.0, 40, peer=False),
            "signs, 5 steps of 4": made(("11", "10", "10"), 1.0, 10, peer=False),
        }
        if long:
            rows["VMIFGSM, 100 steps"] = made(("11", "11", "11"), 60.0, 600, peer=True)
        return {
            "source": source,
            "photos": photos,
            "anonymized": dict.fromkeys("abc", "00"),
            "agree": {"a": "11", "b": "11", "c": "10"},
            "rows": rows,
        }

    rounds = [one("a", ["1", "2"], True), one("b", ["3", "4"], False)]
    rounds[1]["rows"]["TIFGSM"]["cpu_seconds"] = 5.0
    return {
        "method": "blur",
        "strength": 6.0,
        "classifiers": dict.fromkeys("abc", "here"),
        "device": "a machine",
        "versions": {"torch": "2"},
        "wait": "PASSIVE",
        "cold": {row: [3.0] for row in (*PEERS, *OURS)},
        "rounds": rounds,
    }


def test_targets_are_all_but_the_source(result):
    rounds = result["rounds"]
    found = on_targets(rounds, [each["rows"]["DIFGSM"]["kept"] for each in rounds])
    np.testing.assert_array_equal(found, [[1, 0, 1, 1], [0, 0, 0, 0]])
    agree = [each["agree"] for each in rounds]
    assert share_of(rounds, "c", agree) == 50
    assert share_of(rounds[:1], "a", agree[:1]) is None, "never a target"


def test_costs_are_those_of_an_image(result):
    rounds = result["rounds"]
    assert seconds_per_image(rounds, "TIFGSM", "cpu_seconds") == 2
    assert gradients_per_image(rounds, BASE) == 40
    np.testing.assert_allclose(ratios(rounds, "TIFGSM", BASE, "cpu_seconds"), [0.75, 1.25])
    fixed, slope = fixed_and_per_gradient(result)
    costs = {10: 0.5, 40: 2.0, 100: 5.0}
    for gradients, seconds in costs.items():
        assert fixed + slope * gradients == pytest.approx(seconds)
    for each in rounds:
        del each["rows"][BASE], each["rows"]["transfer"]
    assert fixed_and_per_gradient(result) is None


def test_a_row_is_compared_on_the_photos_that_it_saw(result):
    assert len(rounds_of(result, "VMIFGSM, 100 steps", BASE)) == 1
    assert "SINIFGSM" not in rows_of(result)


def test_the_fastest_of_ours_that_keeps_as_much(result):
    """A row that keeps less does not count, however fast; without any there is none."""
    assert equal(result, "DIFGSM") == "signs, 5 steps of 4"
    assert equal(result, "TIFGSM") == BASE
    for each in result["rounds"]:
        each["rows"] = {
            row: found for row, found in each["rows"].items() if row not in (BASE, "transfer")
        }
    assert equal(result, "TIFGSM") is None
    assert "`signs, 5 steps of 4` keeps most of ours, and less" in headline(result)
    body = at_equal_concordance(result)[1]
    assert body[1][2:] == ["**-**"] * 4


def test_the_best_peer_saw_all_photos_and_is_the_fastest_of_equals(result):
    assert best_peer(result) == "TIFGSM"
    for each in result["rounds"]:
        each["rows"]["LinfPGD"] = {**each["rows"]["TIFGSM"], "cpu_seconds": 2.0}
    assert best_peer(result) == "LinfPGD"
    text = headline(result)
    assert "foolbox LinfPGD keeps most of the peers, 75.0 (" in text
    assert f"`{BASE}` keeps as much: 100.0 (100-100) %, by photo +25.0 (" in text
    assert text.endswith("The peer's core time over ours: 0.50 (0.50-0.50).**")


def test_tables(result):
    head, body = kept(result)
    cells = {line[0]: dict(zip(head, line, strict=True)) for line in body}
    assert cells["torchattacks DIFGSM"]["targets"].startswith("**37.5 (")
    assert cells["torchattacks DIFGSM"]["photos"] == "4"
    assert cells["torchattacks VMIFGSM, 100 steps"]["photos"] == "2"
    assert cells[f"jaxanon `{BASE}`"]["targets, as a photo"] == "-"
    head, body = costs(result)
    cells = {line[0]: dict(zip(head, line, strict=True)) for line in body}
    assert cells[f"jaxanon `{BASE}`"]["core-ms per gradient"] == "50"
    assert cells["torchattacks TIFGSM"][f"core time over `{BASE}`'s"] == "1.00 (0.75-1.25)"
    assert ceilings(result)[1] == [["a", "100", "0"], ["b", "100", "0"], ["c", "50", "0"]]
    text = show(result, markdown=True)
    assert "| read back | 0.250 |" in text
    assert "compile" not in text


def test_rows_are_settings_and_attacks():
    for row in OURS:
        assert settings_of(row).eps == EPS
        assert settings_of(row).precision == "float32"
        assert settings_of(row, 1).steps == 1
    assert settings_of("signs, 5 steps of 4").steps == 5
    assert chosen(None) == [*PEERS, *OURS]
    assert chosen("DIFGSM; balanced") == ["DIFGSM", "balanced"]
    with pytest.raises(UsageError, match="DIFGSN"):
        chosen("DIFGSN")
    assert order_of(["x", "y", "z"], 4) == ["y", "z", "x"]


@pytest.mark.parametrize("shape", [(512, 512), (300, 400), (401, 250)])
def test_a_perturbation_is_enlarged_onto_what_the_classifier_saw(shape):
    """Within the crop and the bound; the classifier sees it as it was made, but for rounding."""
    photo = np.full((*shape, 3), 128, np.uint8)
    before = look(photo, CONFIG)
    np.testing.assert_array_equal(enlarged(before, before, photo, CONFIG), photo)
    change = np.repeat(np.repeat(picture(1, 28, 28).astype(int) % 17 - 8, 8, 0), 8, 1)
    view = (before + change).astype(np.uint8)
    made = enlarged(view, before, photo, CONFIG)
    assert made.shape == photo.shape
    assert 0 < np.abs(made.astype(int) - photo).max() <= EPS
    rows = np.flatnonzero((made != photo).any((1, 2)))
    margin = shape[0] - CONFIG.crop_pct * min(shape)
    assert rows[0] == pytest.approx(margin / 2, abs=2)
    assert rows[-1] == pytest.approx(shape[0] - 1 - margin / 2, abs=2)
    seen = look(made, CONFIG).astype(int) - before
    inner = slice(8, -8)
    gap = np.abs(seen - change)[inner, inner].mean()
    assert gap < 0.35 * np.abs(change)[inner, inner].mean()
    np.testing.assert_array_equal(seen_by(view, CONFIG), view)


def test_the_page_shows_what_was_measured():
    measured = json.loads((ROOT / "docs" / "benchmarks" / "attacks.json").read_text())
    page = (ROOT / "docs" / "peers.md").read_text().splitlines()
    assert [line for line in report(measured).splitlines() if line not in page] == []
