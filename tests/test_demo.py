"""The main job: photos anonymized, decisions lost, decisions given back."""

import json

from jaxanon.cli import main


def test_the_demo_keeps_its_promise(tmp_path, capsys):
    assert main(["demo", "-o", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "18 of 20 right on the originals" in shown
    for method in ("blur", "pixelate"):
        report = json.loads((tmp_path / method / "report.json").read_text())
        summary = report["summary"]
        assert (summary["images"], summary["done"]) == (20, 20)
        roles = {row["name"]: row["role"] for row in report["classifiers"]}
        assert sorted(roles.values()) == ["source", "source", "target"]
        for name, role in roles.items():
            shares = summary["concordance"][name]
            assert shares["anonymized"] <= 0.5
            if role == "source":
                assert shares["adapted"] == 1
        assert len(list((tmp_path / method).glob("*.png"))) == 20
        assert (tmp_path / f"{method}-sheet.png").stat().st_size > 100_000
