import json
from pathlib import Path

import pytest
from command_line import NAMES, anonymize, jaxanon

from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.loading import load_classifier
from jaxanon.io.images import read_image


def test_transfer_agrees_with_the_report_and_compiles_nothing_new(
    zoo, photos_dir, tmp_path, capsys, compilations
):
    out, plain = tmp_path / "out", tmp_path / "plain"
    assert anonymize(zoo, photos_dir, out, "--save-anonymized", plain, "--quiet") == 0
    report = json.loads((out / "report.json").read_text())
    assert compilations
    compilations.clear()
    words = ["transfer", photos_dir, out, "--anonymized", plain, "--classifiers", ",".join(zoo)]
    assert jaxanon(*words, "--json", tmp_path / "t.json") == 0
    assert compilations == []
    rows = json.loads((tmp_path / "t.json").read_text())["classifiers"]
    assert [row["name"] for row in rows] == list(NAMES)
    for row in rows:
        shares = report["summary"]["concordance"][row["name"]]
        assert row["adapted"]["kept"] == pytest.approx(shares["adapted"])
        assert row["anonymized"]["kept"] == pytest.approx(shares["anonymized"])
        assert row["repair"] == (
            None if shares["repair"] is None else pytest.approx(shares["repair"])
        )
        for stage in ("adapted", "anonymized"):
            if row["name"] == NAMES[0]:
                assert sum(row[stage].values()) == pytest.approx(1)
            else:  # another number of classes
                assert row[stage]["same"] is row[stage]["different"] is None
    shown = capsys.readouterr().out
    assert f"{NAMES[0]} (source)" in shown
    assert "5 images compared, 0 failed" in shown
    assert f"the mistake that {NAMES[0]} makes on the anonymized image" in shown
    assert json.loads((tmp_path / "t.json").read_text())["sources"] == [
        each["name"] for each in report["classifiers"] if each["role"] == "source"
    ]
    same = [*words[:2], photos_dir, "--classifiers", zoo[0], "--class-aware"]
    assert jaxanon(*same) == 0
    shown = capsys.readouterr().out
    assert f"no adapted image fools {NAMES[0]}, so there are no mistakes to compare" in shown

    changed = json.loads((out / "report.json").read_text())
    changed["classifiers"][1]["role"] = "oracle"
    (out / "report.json").write_text(json.dumps(changed))
    assert jaxanon(*words, "--json", tmp_path / "t.json", "--overwrite") == 0
    assert json.loads((tmp_path / "t.json").read_text())["oracles"] == [NAMES[1]]
    assert f"{NAMES[1]} (oracle)" in capsys.readouterr().out

    (out / "a.png").unlink()
    assert jaxanon(*words, "--json", tmp_path / "t.json") == 2
    assert jaxanon(*words, "--json", tmp_path / "t.json", "--overwrite") == 1
    assert "no a.* in" in capsys.readouterr().err
    assert jaxanon(*words, "--source", "tf_efficientnet_lite0") == 2
    assert jaxanon("transfer", photos_dir, out, "--classifiers", "tiny_d") == 2
    capsys.readouterr()


def test_a_target_class_by_its_name_in_each_classifier(zoo, photos_dir, tmp_path, capsys):
    out, wanted = tmp_path / "out", {}
    for i, given in enumerate(zoo[:2]):
        file = Path(given.partition("@")[2]) / "config.json"
        config = json.loads(file.read_text())
        labels = [f"n{k}" for k in range(config["num_classes"])]
        wanted[NAMES[i]] = 3 + i
        described = {f"n{3 + i}": "Alpaca"}
        file.write_text(
            json.dumps({**config, "label_names": labels, "label_descriptions": described})
        )
    words = [photos_dir / "a.png", "-o", out, "--sources", ",".join(zoo[:2]), "--eps", 60]
    assert jaxanon("attack", *words, "--target-class", "alpaca") == 0
    image = json.loads((out / "report.json").read_text())["images"][0]
    assert image["status"] == "reached"
    assert {name: image["decisions"][name]["adapted"] for name in wanted} == wanted
    capsys.readouterr()
    assert jaxanon("attack", *words, "--target-class", "alpac", "--overwrite") == 2
    assert "--target-class: tiny_a.test: unknown class 'alpac'; near" in capsys.readouterr().err


def test_attack_and_its_evaluation_under_changes(zoo, photos_dir, tmp_path, capsys):
    out, result = tmp_path / "out", tmp_path / "t.json"
    words = [photos_dir, "-o", out, "--sources", zoo[0], "--targets", zoo[2], "--eps", 40]
    assert jaxanon("attack", *words, "--quiet") == 0
    report = json.loads((out / "report.json").read_text())
    assert {image["status"] for image in report["images"]} == {"fooled"}
    assert "guarantee" not in report, "an attack starts from the original"
    assert report["summary"]["concordance"][NAMES[0]] == {
        "anonymized": 1.0, "adapted": 0.0, "repair": None,
    }  # fmt: skip
    assert jaxanon("attack", *words, "--target-class", 3, "--overwrite", "--quiet") == 0
    report = json.loads((out / "report.json").read_text())
    made = [image["decisions"][NAMES[0]]["adapted"] for image in report["images"]]
    assert [m == 3 for m in made] == [i["status"] == "reached" for i in report["images"]]
    assert 3 in made
    assert "guarantee" not in report, "an attack starts from the original"
    assert jaxanon("attack", *words, "--target-class", 99, "--overwrite", "--quiet") == 2
    text = "--target-class: tiny_a.test: there is no class 99; its classes are 0 to 9"
    assert text in capsys.readouterr().err
    assert jaxanon("attack", *words, "--target-class", 3, "--loss", "soft", "--overwrite") == 2
    assert "loss is 'soft'; it must be another for an attack" in capsys.readouterr().err
    least = ["--steps", 1, "--eps", 1, "--target-class", 9]
    assert jaxanon("attack", *words, "--overwrite", *least) == 0
    shown = capsys.readouterr().out
    assert " reached, " in shown
    assert "not every source sees class 9" in shown
    assert jaxanon("attack", *words, "--overwrite", "--steps", 1, "--eps", 1) == 0
    shown = capsys.readouterr().out
    assert " fooled, " in shown
    assert "not every source was fooled" in shown
    assert shown.split("\n")[0].split() == ["classifier", "role", "original", "attacked"]

    words = ["transfer", photos_dir, out, "--classifiers", ",".join(zoo[:2])]
    assert jaxanon(*words, "--under", "jpeg50,flip", "--class-aware", "--json", result) == 0
    shown = capsys.readouterr().out
    found = json.loads(result.read_text())
    flipped = [picture[:, ::-1] for picture in map(read_image, sorted(out.rglob("*.png")))]
    originals = sorted(path for path in photos_dir.rglob("*") if path.is_file())
    ensemble = Ensemble([load_classifier(name) for name in zoo[:2]])
    reference = ensemble.decide([read_image(path) for path in originals])
    kept = (ensemble.decide(flipped) == reference).mean(1)
    for share, name in zip(kept, NAMES, strict=False):
        assert found["under"]["flip"][name]["adapted"] == pytest.approx(share)
    assert "non-targeted" in shown
    assert "jpeg50" in shown
    again = ["--under", "jpeg50", "--under", "flip", "--overwrite", "--quiet"]
    assert jaxanon(*words, *again, "--json", result) == 0
    assert json.loads(result.read_text())["under"] == found["under"]
    for under, text in (("jepg", "unknown change 'jepg'"), ("flip2", "flip takes no number")):
        assert jaxanon(*words, "--under", under) == 2
        assert f"--under {under}: " in (err := capsys.readouterr().err)
        assert text in err
    assert jaxanon(*words, "--under", "") == 2
    capsys.readouterr()
