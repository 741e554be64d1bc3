"""The joint loop: decisions as long as the image does not lead back to its original."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from runs import item, quiet_run
from samples import picture, tiny

from jaxanon import cli
from jaxanon.adaptation.guarantee import guarantee
from jaxanon.adaptation.problem import prepare
from jaxanon.adaptation.settings import Settings, preset
from jaxanon.adaptation.slots import Slots
from jaxanon.adaptation.stream import stream
from jaxanon.anonymizers import anonymize
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.errors import UsageError
from jaxanon.io.images import read_image
from jaxanon.pipeline.cap import Cap
from jaxanon.pipeline.item import LoadedImage
from jaxanon.pipeline.verification import Verification
from jaxanon.regions.faces import Face

PHOTOS = [picture(i, 50, 70) for i in range(6)]
HIDDEN = [anonymize(photo, "blur", strength=24) for photo in PHOTOS]


def run(folder, tinies, limit, name="fast", **changes):
    items = [
        item(f"{i}.png", folder / f"{i}.png", lambda i=i: LoadedImage(PHOTOS[i], HIDDEN[i], None))
        for i in range(len(PHOTOS))
    ]
    settings = preset(name, **{"steps": 40, "verify_every": 5, **changes})
    cap = None if limit is None else Cap(limit, "targets", 1, 1)
    return quiet_run(folder, items, tinies[:1], tinies[1:2], settings, cap=cap).execute()


def score(tinies, original, picture):
    """The judge's, computed apart."""
    a, b = (Ensemble(tinies[1:2]).logits([shown])[0][0] for shown in (original, picture))
    return np.corrcoef(a, b)[0, 1]


def test_scores_are_those_of_the_saved_files(tmp_path, tinies):
    report = run(tmp_path, tinies, 1.0)
    for i, image in enumerate(report["images"]):
        saved = read_image(tmp_path / f"{i}.png")
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
        saved = read_image(tmp_path / "capped" / f"{i}.png")
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
    """`transfer` goes on after a verification, with a cap and without; it always ends."""
    for i, limit in enumerate((1.0, None)):
        report = run(tmp_path / str(i), tinies, limit, "transfer", steps=20)
        assert min(image["steps"] for image in report["images"]) > 12
    short = run(
        tmp_path / "short", tinies, 1.0, "transfer", steps=10, verify_every=1, final_fraction=0.9
    )
    assert len(short["images"]) == 6


def test_the_guarantee_counts_the_moments_at_which_it_may_have_stopped():
    plain = guarantee(Settings(steps=40), [1000], regions=False)
    capped = guarantee(Settings(steps=40, verify_every=10), [1000], regions=False, capped=True)
    assert capped["bits"] == pytest.approx(plain["bits"] + np.log2(4 + 3 + 1), abs=0.01)
    assert "which of 8 moments" in capped["text"]


@pytest.mark.parametrize("name", ["fast", "transfer"])
@pytest.mark.parametrize(("steps", "verify_every"), [(10, 10), (12, 5), (6, 1)])
def test_no_image_is_looked_at_more_often_than_the_guarantee_says(
    tinies, name, steps, verify_every
):
    """Also where no check is ever content; and never later than `verify_every` says."""
    settings = preset(name, steps=steps, verify_every=verify_every)
    sources = Ensemble(tinies[:1])
    jobs = [prepare(i, HIDDEN[i], np.array([i]), sources, settings) for i in range(4)]
    seen: dict[int, list[int]] = {}

    def check(adapted):
        for image in adapted:
            seen.setdefault(image.job.key, [0]).append(image.steps)
        return [False] * len(adapted)

    assert len(list(stream([jobs], Slots(sources, settings, 2), check))) == 4
    bound = 2 ** (guarantee(settings, [2], regions=False, capped=True)["bits"] - 1)
    for steps_made in seen.values():
        assert len(steps_made) <= bound + 0.05
        assert max(np.diff(steps_made)) <= verify_every


def test_a_decision_once_kept_is_not_lost_by_going_on(tmp_path, tinies, monkeypatch):
    """Where later portions lose it under the cap, the file of the earlier one is put back."""
    record = Verification._record
    kept = {}

    def spoiled(self, adapted, file, logits):
        found = record(self, adapted, file, logits)
        if found.status == "kept":
            kept.setdefault(found.key, file.pixels)
        late = found.key in kept and adapted.steps > 20
        return replace(found, status="partly") if late else found

    monkeypatch.setattr(Verification, "_record", spoiled)
    report = run(tmp_path, tinies, 1.0, "transfer")
    assert kept
    for i, image in enumerate(report["images"]):
        if f"{i}.png" in kept:
            assert image["status"] == "kept"
            assert image["steps"] <= 20
            assert image["decisions"]["tiny_a"]["adapted"] == Ensemble(tinies[:1]).decide(
                [read_image(tmp_path / f"{i}.png")]
            )


def test_a_judge_needs_more_than_two_classes(tmp_path, tinies):
    """Two logits of an image and two of another always correlate by 1 or -1."""
    cap = Cap(0.9, "targets", 1, 1)
    with pytest.raises(UsageError, match="binary has two classes, too few to compare by"):
        quiet_run(tmp_path, [], tinies[:1], [tiny("binary", 5, num_classes=2)], Settings(), cap=cap)


def test_jpegs_are_judged_as_they_are_saved(tmp_path, tinies):
    items = [
        item(f"{i}.png", tmp_path / f"{i}.jpg", lambda i=i: LoadedImage(PHOTOS[i], HIDDEN[i], None))
        for i in range(len(PHOTOS))
    ]
    limit = float(np.median([score(tinies, *pair) for pair in zip(PHOTOS, HIDDEN, strict=True)]))
    cap = Cap(limit, "targets", 1, 1)
    settings = preset("transfer", steps=20, verify_every=5)
    options = {"form": "jpeg", "cap": cap}
    run = quiet_run(tmp_path, items, tinies[:1], tinies[1:2], settings, **options)
    for i, image in enumerate(run.execute()["images"]):
        there = (tmp_path / f"{i}.jpg").exists()
        assert there == (image["status"] != "failed")
        if there:
            assert score(tinies, PHOTOS[i], read_image(tmp_path / f"{i}.jpg")) <= limit + 1e-4


def test_the_judge_of_faces():
    from skimage import data

    cap = Cap(0.4, "faces", 1, 0)
    face = data.astronaut()
    reference = cap.reference(face, None)
    assert cap.score(reference, face, []) == pytest.approx(1)
    assert cap.score(reference, anonymize(face, "pixelate", strength=30), []) < 0.4
    assert cap.score(cap.reference(data.chelsea(), None), data.chelsea(), []) is None
    assert cap.score(cap.reference(face, ()), face, []) is None, "her face is exempt"
    assert cap.score(cap.reference(face, [(181, 58, 270, 178)]), face, []) == pytest.approx(1)
    assert cap.score(cap.reference(face, [(10, 300, 90, 400)]), face, []) is None, (
        "no face is there"
    )


def test_what_may_be_no_face_is_not_judged(monkeypatch):
    """Patches of anything look alike to dlib, so the cap would stop them all."""
    from skimage import data

    cap = Cap(0.4, "faces", 1, 0)
    doubtful = [Face((100, 100, 200, 200), 0.4), Face((181, 58, 270, 178), 0.9)]
    monkeypatch.setattr(cap._detector, "faces", lambda _: doubtful)
    assert len(cap.reference(data.astronaut(), None).faces) == 1


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


def test_the_command(tmp_path, tinies, tiny_main, capsys):

    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(PHOTOS[0]).save(photos / "a.png")
    words = [str(w) for w in ("anonymize", photos, "-o", tmp_path / "out", "--sources", "lite0")]
    words[-1] = "tf_efficientnet_lite0"
    assert tiny_main([*words, "--judge", "targets"]) == 2
    assert "--judge goes with --cap" in capsys.readouterr().err
    assert tiny_main([*words, "--cap", "0.9"]) == 2
    assert "--cap needs --targets (classifiers not among" in capsys.readouterr().err
    assert tiny_main([*words, "--cap", "0.9", "--judge", "targets"]) == 2
    assert "--judge targets needs --targets" in capsys.readouterr().err
    targets = ["--targets", "tf_efficientnet_lite1", "--steps", "7"]
    assert tiny_main([*words, "--cap", "1", *targets, "--quiet"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["settings"]["cap"] == 1
    assert report["settings"]["verify_every"] == 7
    assert report["images"][0]["score"]["adapted"] <= 1
    attack = ["attack", str(photos), "-o", str(tmp_path / "x"), "--cap", "0.5"]
    with pytest.raises(SystemExit, match="2"):  # it starts from the original
        tiny_main(attack)
    assert "unrecognized arguments: --cap" in capsys.readouterr().err


def test_an_image_above_the_cap_leaves_nothing_behind(tmp_path, tinies, tiny_main, capsys):
    """Neither its anonymized form nor the file of an earlier run."""

    photos, out, hidden = (tmp_path / name for name in ("photos", "out", "hidden"))
    photos.mkdir()
    Image.fromarray(PHOTOS[0]).save(photos / "a.png")
    words = ["anonymize", photos, "-o", out, "--sources", "tf_efficientnet_lite0", "--steps", "9"]
    words = [*map(str, [*words, "--targets", "tf_efficientnet_lite1", "--save-anonymized", hidden])]
    assert tiny_main(words) == 0
    assert (out / "a.png").exists()
    assert (hidden / "a.png").exists()
    assert tiny_main([*words, "--overwrite", "--cap", "-1", "--set", "steps=5"]) == 2
    assert "--set steps=5 and --steps 9: give one" in capsys.readouterr().err
    assert tiny_main([*words, "--overwrite", "--cap", "-1"]) == 1
    assert "the anonymized image itself scores" in capsys.readouterr().out
    assert not (out / "a.png").exists()
    assert not (hidden / "a.png").exists()


def test_a_target_is_no_source(capsys, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(PHOTOS[0]).save(tmp_path / "photos" / "a.png")
    words = ["anonymize", str(tmp_path / "photos"), "-o", str(tmp_path / "out"), "--cap", "0.5"]
    assert cli.main([*words, "--targets", "tf_efficientnet_lite2"]) == 2
    assert "--targets has tf_efficientnet_lite2.in1k, which is among" in capsys.readouterr().err
