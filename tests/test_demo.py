"""The main job: photos anonymized, decisions lost, decisions given back, also to a held-out one."""

import json

import pytest

from jaxanon.cli import demo, main

PHOTOS = 3
"""Of 20, so that it does not take minutes."""


@pytest.mark.slow
def test_the_demo_keeps_its_promise(tmp_path, monkeypatch, capsys):
    photos = demo.demo_photos()
    assert len(photos) == 20
    monkeypatch.setattr(demo, "demo_photos", lambda: photos[:PHOTOS])
    assert main(["demo", "-o", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert f"3 of {PHOTOS} right on the originals" in shown
    assert "anonymized     fast  transfer  repaired" in shown
    found = {}
    for preset in ("fast", "transfer"):
        report = json.loads((tmp_path / preset / "report.json").read_text())
        assert report["settings"]["preset"] == preset
        summary = report["summary"]
        assert (summary["images"], summary["done"]) == (PHOTOS, PHOTOS)
        roles = {row["name"]: row["role"] for row in report["classifiers"]}
        assert sorted(roles.values()) == ["source", "source", "target"]
        for name, role in roles.items():
            shares = summary["concordance"][name]
            assert shares["anonymized"] <= 0.5
            if role == "source":
                assert shares["adapted"] == 1
            found[preset, role] = shares["adapted"]
        assert len(list((tmp_path / preset).glob("*.png"))) == PHOTOS
        assert str(tmp_path / preset / "report.html") in shown
        assert (tmp_path / preset / "report.html").stat().st_size > 100_000
    assert found["transfer", "target"] > found["fast", "target"] + 0.5
