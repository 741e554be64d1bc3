"""Class-aware transferability, by hand and on real classifiers."""

import json
import math

import numpy as np
import pytest

from jaxanon import Ensemble, load_classifier
from jaxanon.adaptation.guarantee import guarantee
from jaxanon.adaptation.settings import Settings
from jaxanon.cli import main
from jaxanon.evaluation.mistakes import Split, mistakes
from jaxanon.io.images import read_image

LITE = [f"tf_efficientnet_lite{i}" for i in range(3)]


def test_an_attack_by_hand():
    reference = np.array([[0, 1, 2, 3, 4], [0, 1, 2, 9, 4]])
    attacked = np.array([[5, 6, 7, 9, 4], [0, 6, 8, 9, 8]])
    # image 3: the target always said 9, so it is right there, although the source now says so too;
    # image 4 does not fool the source
    count, (source, target) = mistakes(["s", "t"], reference, attacked, None, 0, [10, 10])
    assert count == 4
    assert source.split == Split(0.0, 0.0, 1.0)
    assert target.split == Split(unfooled=0.5, different=0.25, same=0.25)
    assert (target.split.non_targeted, target.split.targeted) == (0.5, 0.25)
    assert target.baseline == source.baseline == Split(1.0, 0.0, 0.0)


def test_an_adaptation_by_hand():
    """The anonymizer is the attack; adaptation is to undo it in the target's eyes too."""
    reference = np.array([[0, 1, 2, 3], [0, 1, 2, 3]])
    anonymized = np.array([[5, 5, 5, 3], [5, 5, 1, 9]])
    adapted = np.array([[0, 1, 2, 3], [0, 5, 1, 3]])
    count, (source, target) = mistakes(["s", "t"], reference, adapted, anonymized, 0, [10, 10])
    assert count == 3
    assert source.split == Split(1.0, 0.0, 0.0)
    assert source.baseline == Split(0.0, 0.0, 1.0)
    third = pytest.approx(1 / 3)
    assert target.split == Split(third, third, third)
    assert target.baseline == Split(0.0, third, pytest.approx(2 / 3))


def test_nothing_fooled_and_other_classes():
    same = np.array([[0, 1], [0, 1]])
    assert mistakes(["s", "t"], same, same, None, 0, [10, 10]) == (0, [])
    _, rows = mistakes(["s", "t"], same, same + 1, None, 0, [10, 7])
    assert [row.name for row in rows] == ["s"]


@pytest.mark.slow
def test_an_attack_on_lite0_in_the_eyes_of_lite1_and_lite2(photos, tmp_path, capsys):
    """The command's table sums to one, and is what a count over the saved files gives."""
    folder, out, result = tmp_path / "in", tmp_path / "out", tmp_path / "t.json"
    folder.mkdir()
    for path, _ in photos[:12]:
        (folder / path.name).write_bytes(path.read_bytes())
    attack = ["attack", str(folder), "-o", str(out), "--sources", LITE[0], "--eps", "8"]
    assert main([*attack, "--set", "confidence=4", "--quiet"]) == 0
    report = json.loads((out / "report.json").read_text())
    assert [image["status"] for image in report["images"]] == ["fooled"] * 12
    words = ["transfer", str(folder), str(out), "--classifiers", ",".join(LITE), "--class-aware"]
    assert main([*words, "--json", str(result)]) == 0
    shown = capsys.readouterr().out
    table = json.loads(result.read_text())["class_aware"]

    counts = {name: {"unfooled": 0, "different": 0, "same": 0} for name in LITE}
    ensemble = Ensemble([load_classifier(name) for name in LITE])
    paths = sorted(folder.iterdir())
    originals = ensemble.decide([read_image(path) for path in paths])
    attacked = ensemble.decide([read_image(out / f"{path.stem}.png") for path in paths])
    fooled = 0
    for before, after in zip(originals.T, attacked.T, strict=True):
        if after[0] == before[0]:
            continue
        fooled += 1
        for i, name in enumerate(LITE):
            if after[i] == before[i]:
                counts[name]["unfooled"] += 1
            elif after[i] == after[0]:
                counts[name]["same"] += 1
            else:
                counts[name]["different"] += 1
    assert fooled == table["images"] == 12
    for row, name in zip(table["classifiers"], LITE, strict=True):
        split = row["split"]["class_aware"]
        assert sum(split.values()) == pytest.approx(1)
        for kind, count in counts[name].items():
            assert split[kind] == pytest.approx(count / fooled)
        assert row["baseline"]["class_aware"] == {"unfooled": 1, "different": 0, "same": 0}
        kept = counts[name]["unfooled"] / fooled
        assert row["split"]["non_targeted"] == pytest.approx(1 - kept)
        assert row["split"]["targeted"] == split["same"]
        assert f"{100 * (1 - kept):.1f} %" in shown
    assert counts[LITE[0]]["same"] == 12
    moved = [counts[name]["unfooled"] for name in LITE[1:]]
    assert min(moved) < 12, "the attack transfers at all"


def test_the_guarantee_says_what_soft_targets_reveal():
    pair = guarantee(Settings(), [1000, 1000], regions=False)
    assert pair["bits"] == round(2 * math.log2(1000), 2)
    soft = guarantee(Settings(loss="soft"), [1000], regions=False)
    assert soft["bits"] == 32_000
    assert "probabilities" in soft["text"]
    assert "decision" in pair["text"]
    assert "region" not in pair["text"]
    assert "and the region" in guarantee(Settings(), [10], regions=True)["text"]
