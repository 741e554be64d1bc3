"""The joint loop: decisions as long as the image does not lead back to its original."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import picture

from jaxanon import cli
from jaxanon.adaptation.guarantee import guarantee
from jaxanon.adaptation.settings import Settings, preset
from jaxanon.anonymizers import anonymize
from jaxanon.boxes import Region
from jaxanon.cap import NOBODY, Cap
from jaxanon.ensemble import Ensemble
from jaxanon.errors import UsageError
from jaxanon.images import decode
from jaxanon.items import Item, Loaded
from jaxanon.manifest import Journal
from jaxanon.run import Run

PHOTOS = [picture(i, 50, 70) for i in range(6)]
HIDDEN = [anonymize(photo, Region(), "blur", 24) for photo in PHOTOS]


def run(folder, tinies, limit, name="fast", **changes):
    items = [
        Item(Path(f"{i}.png"), folder / f"{i}.png", lambda i=i: Loaded(PHOTOS[i], HIDDEN[i], None))
        for i in range(len(PHOTOS))
    ]
    settings = preset(name, **{"steps": 40, "portion": 5, **changes})
    cap = None if limit is None else Cap(limit, "targets", 1, 1)
    journal = Journal(folder, {})
    made = Run(items, tinies[:1], tinies[1:2], settings, "png", {}, journal, cap=cap, quiet=True)
    return made.execute({})


def score(tinies, original, picture):
    """The judge's, computed apart."""
    a, b = (Ensemble(tinies[1:2]).logits([shown])[0][0] for shown in (original, picture))
    return np.corrcoef(a, b)[0, 1]


def test_scores_are_those_of_the_saved_files(tmp_path, tinies):
    report = run(tmp_path, tinies, 1.0)
    for i, image in enumerate(report["images"]):
        saved = decode(tmp_path / f"{i}.png")
        assert image["score"]["adapted"] == pytest.approx(score(tinies, PHOTOS[i], saved), abs=1e-3)
        before = score(tinies, PHOTOS[i], HIDDEN[i])
        assert image["score"]["anonymized"] == pytest.approx(before, abs=1e-3)


def test_no_saved_file_is_above_the_cap(tmp_path, tinies):
    """The best of both is kept: the last image that the cap allowed; the rest is told."""
    free = run(tmp_path / "free", tinies, 1.0, "transfer")
    gains = [image["score"]["adapted"] for image in free["images"]]
    before = [image["score"]["anonymized"] for image in free["images"]]
    limit = float(np.median(gains))
    assert min(before) < limit < max(gains)
    report = run(tmp_path / "capped", tinies, limit, "transfer")
    kinds = set()
    for i, image in enumerate(report["images"]):
        if before[i] > limit:
            assert image["status"] == "failed"
            assert "the anonymized image itself scores" in image["error"]
            assert not (tmp_path / "capped" / f"{i}.png").exists()
            kinds.add("never")
            continue
        saved = decode(tmp_path / "capped" / f"{i}.png")
        assert score(tinies, PHOTOS[i], saved) <= limit + 1e-4
        decided = Ensemble(tinies[:1]).decide([saved])[0, 0]
        row = image["decisions"]["tiny_a"]
        assert row["adapted"] == decided
        assert image["status"] == ("kept" if decided == row["reference"] else "partly")
        if image["error"]:
            assert f"the cap {limit:g}; this is the image after {image['steps']}" in image["error"]
            assert image["steps"] < 40
            kinds.add("stopped")
            if image["steps"] == 0:
                np.testing.assert_array_equal(saved, HIDDEN[i])
        else:
            kinds.add("free")
    assert "stopped" in kinds
    assert "free" in kinds


def test_portions_alone_change_only_when_the_file_is_looked_at(tmp_path, tinies):
    """All steps are made, in as many portions as it takes; without one, as before."""
    report = run(tmp_path / "a", tinies, 1.0, "transfer", margin=float("inf"))
    assert [image["steps"] for image in report["images"]] == [40] * 6
    free = run(tmp_path / "b", tinies, None, portion=0)
    assert all("score" in image and image["score"] is None for image in free["images"])


def test_the_guarantee_counts_the_moments_at_which_it_may_have_stopped():
    plain = guarantee(Settings(steps=40), [1000], regions=False)
    capped = guarantee(Settings(steps=40, portion=10), [1000], regions=False, capped=True)
    assert capped["bits"] == pytest.approx(plain["bits"] + np.log2(5), abs=0.01)
    assert "which of 5 moments" in capped["text"]


def test_the_judge_of_faces():
    from skimage import data

    cap = Cap(0.4, "faces", 1, 0)
    face = data.astronaut()
    memory = cap.faces(face)
    assert cap.score(memory, face, []) == pytest.approx(1)
    assert cap.score(memory, anonymize(face, Region(), "pixelate", 30), []) < 0.4
    assert cap.score(cap.faces(data.chelsea()), data.chelsea(), []) == NOBODY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2, "targets", 1, 1), "--cap is 2; it must be -1 to 1"),
        ((0.5, "targets", 1, 0), "--judge targets needs --targets"),
        ((0.5, "face", 1, 1), "near matches: faces"),
    ],
)
def test_caps_that_cannot_work_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        Cap(*arguments)


def test_the_command(tmp_path, tinies, monkeypatch, capsys):
    from jaxanon.commands import anonymize as adapting

    monkeypatch.setattr(adapting, "load_all", lambda names, quiet: tinies[: len(names)])
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(PHOTOS[0]).save(photos / "a.png")
    words = [str(w) for w in ("anonymize", photos, "-o", tmp_path / "out", "--sources", "lite0")]
    words[-1] = "tf_efficientnet_lite0"
    assert cli.main([*words, "--judge", "targets"]) == 2
    assert "--judge goes with --cap" in capsys.readouterr().err
    assert cli.main([*words, "--cap", "0.9"]) == 2
    assert "needs --targets" in capsys.readouterr().err
    targets = ["--targets", "tf_efficientnet_lite1", "--steps", "7"]
    assert cli.main([*words, "--cap", "1", *targets, "--quiet"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["settings"]["cap"] == 1
    assert report["settings"]["portion"] == 7
    assert report["images"][0]["score"]["adapted"] <= 1
    attack = ["attack", str(photos), "-o", str(tmp_path / "x"), "--cap", "0.5"]
    assert cli.main(attack) == 2
    assert "--cap is no option of an attack" in capsys.readouterr().err
