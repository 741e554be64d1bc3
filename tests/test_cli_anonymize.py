import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from command_line import NAMES, anonymize, jaxanon
from PIL import Image
from samples import picture
from test_images import bad_files

from jaxanon.adaptation.problem import Job
from jaxanon.anonymizers.gaussian import gaussian_blur
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.loading import load_classifier
from jaxanon.io.images import read_image


def test_anonymize_keeps_the_decisions_in_the_saved_files(zoo, photos_dir, tmp_path, capsys):
    out, plain = tmp_path / "out", tmp_path / "plain"
    code = anonymize(
        zoo, photos_dir, out, "--save-anonymized", plain, "--sheet", tmp_path / "sheet.png"
    )
    assert code == 0
    report = json.loads((out / "report.json").read_text())
    assert report["schema"] == 1
    assert report["settings"]["strength"] == 10
    assert report["classifiers"] == [
        {"name": NAMES[0], "role": "source"},
        {"name": NAMES[1], "role": "source"},
        {"name": NAMES[2], "role": "target"},
    ]
    summary = report["summary"]
    assert (summary["images"], summary["done"], summary["failed"]) == (5, 5, 0)
    ensemble = Ensemble([load_classifier(name) for name in zoo])
    for row in report["images"]:
        saved, before = read_image(Path(row["output"])), None
        relative = Path(row["output"]).relative_to(out)
        before = read_image(plain / relative)
        assert Path(row["output"]).name[0] != "."
        assert saved.shape == read_image(Path(row["input"])).shape
        assert row["linf"] == np.abs(saved.astype(int) - before).max() <= 40
        made = {
            "reference": ensemble.decide([read_image(Path(row["input"]))])[:, 0],
            "anonymized": ensemble.decide([before])[:, 0],
            "adapted": ensemble.decide([saved])[:, 0],
        }
        for c, name in enumerate(NAMES):
            assert row["decisions"][name] == {key: value[c] for key, value in made.items()}
        kept = all(
            row["decisions"][n]["adapted"] == row["decisions"][n]["reference"] for n in NAMES[:2]
        )
        assert row["status"] == ("kept" if kept else "partly") == "kept"
    assert summary["concordance"][NAMES[0]]["adapted"] == 1
    rows = [image["decisions"][NAMES[2]] for image in report["images"]]
    share = np.mean([row["adapted"] == row["reference"] for row in rows])
    assert summary["concordance"][NAMES[2]]["adapted"] == pytest.approx(share)
    shown = capsys.readouterr()
    assert "5 images: 5 kept, 0 partly, 0 failed" in shown.out
    assert "images/s  " not in shown.err, "no progress line where there is no terminal"
    assert read_image(tmp_path / "sheet.png").shape[1] > 800
    assert not list(out.rglob("*.part"))


def test_good_and_bad_files_together(zoo, photos_dir, tmp_path, capsys):
    bad = bad_files(photos_dir, picture(9, 40, 60))
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out) == 1
    saved = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.png"))
    assert saved == ["a.png", "b.png", "c.png", "sub/d.png", "sub/e.png"]
    report = json.loads((out / "report.json").read_text())
    failed = {Path(i["input"]).name: i for i in report["images"] if i["status"] == "failed"}
    assert set(failed) == set(bad)
    assert len(bad) == 8
    shown = capsys.readouterr()
    for name, row in failed.items():
        assert name in row["error"]
        assert row["output"] is None
        assert f"failed: {row['error']}" in shown.out
        assert f"error: {row['error']}" in shown.err
    assert report["summary"]["failed"] == 8
    assert report["summary"]["done"] == 5


def test_names_that_would_meet_are_kept_apart(zoo, photos_dir, tmp_path):
    shutil.copy(photos_dir / "a.png", photos_dir / "b.png")
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    assert {"b.jpg.png", "b.png.png"} <= {path.name for path in out.iterdir()}
    report = json.loads((out / "report.json").read_text())
    pairs = {Path(i["input"]).name: Path(i["output"]).name for i in report["images"]}
    assert pairs["b.jpg"] == "b.jpg.png"
    assert pairs["b.png"] == "b.png.png"


def test_odd_names_are_printed_on_one_line(zoo, photos_dir, tmp_path, capsys):
    (photos_dir / "two\nlines\x1b[31m.png").write_bytes(b"")
    assert anonymize(zoo, photos_dir, tmp_path / "out") == 1
    shown = capsys.readouterr()
    assert "two\\nlines\\x1b[31m.png: the file is empty" in shown.err
    assert "\x1b" not in shown.err + shown.out


def test_weights_that_give_no_numbers_are_refused(zoo, photos_dir, tmp_path, capsys):
    config = tmp_path / "weights" / "0" / "config.json"
    for bad in (
        {"mean": [float("nan"), 0, 0]},
        {"crop_pct": 1e-9},
        {"input_size": [3, 9999, 9999]},
    ):
        config.write_text(json.dumps({"num_classes": 10, "pretrained_cfg": bad}))
        assert anonymize(zoo, photos_dir, tmp_path / "out") == 2
        assert "not a usable classifier configuration" in capsys.readouterr().err


def test_regions_limit_the_change(zoo, photos_dir, tmp_path):
    boxes = [
        {"url": name, "bboxes": [{"x0": 30, "y0": 12, "x1": 75, "y1": 50}]}
        for name in ("a.png", "b.jpg", "c.webp", "sub/d.png")
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    out = tmp_path / "out"
    code = anonymize(
        zoo, photos_dir, out, "--regions", tmp_path / "boxes.json", "--method", "solid", "--quiet"
    )
    assert code == 2, "solid takes no strength"
    words = ["anonymize", photos_dir, "-o", out, "--sources", zoo[0], "--method", "pixelate"]
    words += ["--strength", 16]
    assert jaxanon(*words, "--regions", tmp_path / "boxes.json", "--quiet") == 1
    report = json.loads((out / "report.json").read_text())
    assert [i["status"] == "failed" for i in report["images"]] == [False] * 4 + [True]
    assert "no entry" in report["images"][-1]["error"]
    original, saved = read_image(photos_dir / "a.png"), read_image(out / "a.png")
    outside = np.ones(original.shape[:2], bool)
    outside[7:55, 25:80] = False
    np.testing.assert_array_equal(saved[outside], original[outside])
    assert (saved != original).any()


@pytest.mark.parametrize(("form", "suffix"), [("jpeg", ".jpg"), ("webp", ".webp")])
def test_other_formats_are_verified_after_compression(zoo, photos_dir, tmp_path, form, suffix):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--format", form, "--quiet") == 0
    report = json.loads((out / "report.json").read_text())
    assert {Path(i["output"]).suffix for i in report["images"]} == {suffix}
    assert report["summary"]["concordance"][NAMES[0]]["adapted"] == 1
    ensemble = Ensemble([load_classifier(name) for name in zoo])
    for row in report["images"]:
        saved = read_image(Path(row["output"]))
        made = ensemble.decide([saved])[:, 0]
        assert [row["decisions"][name]["adapted"] for name in NAMES] == made.tolist()
        original = read_image(Path(row["input"]))
        before = gaussian_blur(original.astype(np.float32), 10 * min(original.shape[:2]) / 256)
        gap = np.abs(saved - np.clip(np.rint(before), 0, 255)).max()
        assert row["linf"] == gap, "measured on the saved file"


def test_an_annotation_serves_one_input_only(zoo, photos_dir, tmp_path, capsys):
    shutil.copy(photos_dir / "a.png", photos_dir / "b.png")
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("a", "b", "c"):
        height, width = read_image(next(photos_dir.glob(f"{name}.*"))).shape[:2]
        Image.fromarray(np.full((height, width), 255, np.uint8)).save(masks / f"{name}.png")
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--regions", masks, "--quiet") == 1
    report = json.loads((out / "report.json").read_text())
    states = {Path(i["input"]).name: i["error"] for i in report["images"]}
    assert states["a.png"] is None
    assert "another input is called b too" in states["b.jpg"]
    assert "another input is called b too" in states["b.png"]

    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(photos_dir / "a.png", other / "b.png")
    assert jaxanon("adapt", photos_dir, other, "-o", tmp_path / "o2", "--sources", zoo[0]) == 1
    assert "no b" in (text := capsys.readouterr().err) or "another original" in text


def test_where_the_time_went_is_in_the_report(zoo, photos_dir, tmp_path):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--slots", 2, "--quiet") == 0
    timing = json.loads((out / "report.json").read_text())["timing"]
    assert timing["bound"] in ("device", "host")
    for share in ("device_busy", "slots_taken"):
        assert 0 < timing[share] <= 1
    assert {"compile", "encode and write", "read and anonymize"} <= set(timing["host_seconds"])
    assert all(seconds > 0 for seconds in timing["host_seconds"].values())
    assert isinstance(timing["throughput"], dict)


def test_the_number_of_slots_does_not_change_what_is_kept(zoo, photos_dir, tmp_path):
    statuses = []
    for slots in (1, 3):
        out = tmp_path / str(slots)
        assert anonymize(zoo, photos_dir, out, "--slots", slots, "--quiet") == 0
        images = json.loads((out / "report.json").read_text())["images"]
        statuses.append([image["status"] for image in images])
    assert statuses[0] == statuses[1]


def test_any_setting_of_the_loop_can_be_set(zoo, photos_dir, tmp_path, capsys):
    out = tmp_path / "out"
    more = ["--set", "transforms=resize:0.3,flip", "--set", "patience=2", "--set", "nesterov=true"]
    assert anonymize(zoo, photos_dir, out, *more, "--quiet") in (0, 1)
    settings = json.loads((out / "report.json").read_text())["settings"]
    assert settings["transforms"] == "resize:0.3,flip"
    assert (settings["patience"], settings["nesterov"]) == (2, True)
    for given, text in (
        ("pateince=2", "near matches: patience"),
        ("patience", "--set patience: give NAME=VALUE"),
        ("goal=avoid", "unknown setting 'goal'; choose from confidence, confidence_step, "),
        ("views=flip", "--set views=flip: views was renamed: use transforms"),
        ("patience=two", "patience must be a whole number"),
        ("nesterov=yes", "nesterov must be true or false"),
        ("confidence=wide", "confidence must be a number"),
        ("transforms=flop", "transforms=flop: unknown transform 'flop'; near matches: flip"),
        ("transforms=flip,xyz", "unknown transform 'xyz'; choose from blocks, colour, di, "),
        ("ensemble_mode=mean", "unknown ensemble_mode 'mean'"),
    ):
        assert anonymize(zoo, photos_dir, tmp_path / "other", "--set", given) == 2
        assert text in capsys.readouterr().err


def test_soft_targets_say_what_they_reveal(zoo, photos_dir, tmp_path, capsys):
    out = tmp_path / "out"
    anonymize(zoo, photos_dir, out, "--loss", "soft", "--steps", 3)
    assert "at most 608 bits" in capsys.readouterr().out  # 10 and 9 classes
    assert json.loads((out / "report.json").read_text())["guarantee"]["bits"] == 608


def test_soft_targets_are_the_probabilities_on_the_original(zoo, photos_dir, tmp_path, monkeypatch):
    """Those of the sources alone, and of nothing else."""
    given = {}
    real = Job.with_soft_labels

    def listen(job, soft_labels):
        given[job.key.item.input.name] = soft_labels
        return real(job, soft_labels)

    monkeypatch.setattr(Job, "with_soft_labels", listen)
    anonymize(zoo, photos_dir, tmp_path / "out", "--loss", "soft", "--steps", 3, "--quiet")
    sources = Ensemble([load_classifier(name) for name in zoo[:2]])
    assert given
    for path, soft_labels in given.items():
        for logits, soft_label in zip(sources.logits([read_image(path)]), soft_labels, strict=True):
            powers = np.exp(logits[0].astype(float))
            np.testing.assert_allclose(soft_label, powers / powers.sum(), rtol=1e-4)


def test_what_is_no_picture_is_left_out_and_failures_are_named_in_silence_too(
    zoo, photos_dir, tmp_path, capsys
):
    others = ("README.md", "labels.json", "Thumbs.db", "sub/desktop.ini", "a.xmp", ".hidden.png")
    for name in others:
        (photos_dir / name).write_text("no picture")
    (photos_dir / "broken.jpg").write_bytes((photos_dir / "b.jpg").read_bytes()[:900])
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith(f"error: {photos_dir / 'broken.jpg'}: cannot be read: image file is")
    assert len(list(out.rglob("*.png"))) == 5

    (photos_dir / "broken.jpg").unlink()
    assert anonymize(zoo, photos_dir, tmp_path / "again") == 0
    text = f"{photos_dir}: 5 files are no pictures by the suffix and left out, README.md the first"
    assert text in capsys.readouterr().err
    for name in ("without_suffix", "odd.suffix"):
        (photos_dir / name).write_text("no picture")
    assert anonymize(zoo, photos_dir, tmp_path / "third", "--quiet") == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[2].partition(":")[0] for line in errors] == [
        f" {photos_dir / name}" for name in ("odd.suffix", "without_suffix")
    ]
    assert anonymize(zoo, photos_dir / "labels.json", tmp_path / "fourth", "--quiet") == 1
