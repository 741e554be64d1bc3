"""The commands, on tiny classifiers whose weights lie in hub-layout folders."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flax import nnx
from PIL import Image
from safetensors.numpy import save_file
from samples import TinyNet, picture, tiny
from test_images import bad_files

from jaxanon import cli, list_classifiers
from jaxanon.anonymizers.naive import blur
from jaxanon.classifiers import registry
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.family import INCEPTION_MEAN, INCEPTION_STD, Family, Weights
from jaxanon.classifiers.layers.basic import Conv, Linear
from jaxanon.classifiers.weights.loading import load_classifier
from jaxanon.cli import main
from jaxanon.io.images import decode
from jaxanon.pipeline import intake
from jaxanon.pipeline import run as run_module
from jaxanon.pipeline.intake import Intake

NAMES = ("tiny_a.test", "tiny_b.test", "tiny_c.test")


def torch_layout(seed: int, classes: int) -> dict[str, np.ndarray]:
    """The tiny classifier's weights as PyTorch would store them."""
    classifier = tiny("x", seed, classes=classes)
    model = nnx.merge(classifier.network.graph, classifier.params)
    state = {}
    for path, layer in nnx.iter_modules(model):
        if isinstance(layer, Conv | Linear):
            kernel = np.asarray(layer.kernel[...])
            axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
            state[f"{path[0]}.weight"] = np.ascontiguousarray(kernel.transpose(axes))
            state[f"{path[0]}.bias"] = np.asarray(layer.bias[...])
    return state


def with_tinies() -> dict[str, registry.Entry]:
    """The registry, and three tiny classifiers."""
    weights = {
        name.split(".")[0]: Weights("test", 32 + 8 * i, mean=INCEPTION_MEAN, std=INCEPTION_STD)
        for i, name in enumerate(NAMES)
    }
    family = Family(weights, lambda architecture, classes, size: TinyNet(classes), "head.weight")
    return registry.ENTRIES | {
        name: registry.Entry(name, family, row) for name, row in weights.items()
    }


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """Registers three tiny classifiers; gives what to write after --sources and --targets."""
    given = []
    for i, name in enumerate(NAMES):
        folder = tmp_path / "weights" / str(i)
        folder.mkdir(parents=True)
        save_file(torch_layout(i, 10 - i), folder / "model.safetensors")
        (folder / "config.json").write_text(
            json.dumps({"num_classes": 10 - i, "pretrained_cfg": {"tag": "test", "crop_pct": 0.9}})
        )
        given.append(f"{name.split('.')[0]}@{folder}")
    monkeypatch.setattr(registry, "ENTRIES", with_tinies())
    return given


@pytest.fixture
def photos_dir(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    names = ["a.png", "b.jpg", "c.webp", "sub/d.png", "sub/e.png"]
    for i, name in enumerate(names):
        Image.fromarray(picture(i, 60 + 3 * i, 90)).save(folder / name)
    return folder


def jaxanon(*words):
    return main([str(word) for word in words])


def anonymize(zoo, src, out, *more):
    return jaxanon(
        "anonymize", src, "-o", out, "--sources", ",".join(zoo[:2]), "--targets", zoo[2],
        "--strength", 10, "--eps", 40, *more,
    )  # fmt: skip


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
    everyone = Ensemble([load_classifier(name) for name in zoo])
    for row in report["images"]:
        saved, before = decode(Path(row["output"])), None
        relative = Path(row["output"]).relative_to(out)
        before = decode(plain / relative)
        assert Path(row["output"]).name[0] != "."
        assert saved.shape == decode(Path(row["input"])).shape
        assert row["linf"] == np.abs(saved.astype(int) - before).max() <= 40
        made = {
            "reference": everyone.decide([decode(Path(row["input"]))])[:, 0],
            "anonymized": everyone.decide([before])[:, 0],
            "adapted": everyone.decide([saved])[:, 0],
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
    assert decode(tmp_path / "sheet.png").shape[1] > 800
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


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--method", "blurr"], "unknown method 'blurr'; near matches: blur"),
        (["--regions", "box.json"], "regions 'box.json': no such file or folder"),
        (["--regions", ""], "regions is empty"),
        (["--strength", "-3"], "strength is -3"),
        (["--eps", "0"], "eps is 0"),
        (["--steps", "0"], "steps is 0"),
        (["--preset", "quick"], "unknown preset 'quick'"),
        (["--loss", "cross-entropy"], "near matches: cross_entropy"),
        (["--format", "jpg"], "unknown format 'jpg'; near matches: jpeg"),
        (["--sources", "tf_efficientnet_lit0"], "near matches: tf_efficientnet_lite"),
        (["--targets", "tiny_a.tst"], "the default weights are tiny_a.test"),
        (["--targets", "tiny_a@{weights}"], "named twice: tiny_a.test"),
        (["--sources", "tiny_a@nowhere"], "nowhere: no such weights"),
        (["--sources", "tiny_a"], "give a local file or hub-layout folder: tiny_a.test@PATH"),
        (["--sources", ""], "--sources names none; give at least one classifier"),
        (["--eps", "4", "--set", "eps=8"], "--set eps=8 and --eps 4: give one"),
        (["--sheet", "{out}/sheet.png"], "shows the originals"),
        (["--seed", "-1"], "seed is -1"),
    ],
)
def test_wrong_usage_is_refused_before_any_work(zoo, photos_dir, tmp_path, capsys, more, text):
    out = tmp_path / "out"
    more = [w.format(out=out, weights=tmp_path / "weights" / "0") for w in more]
    assert anonymize(zoo, photos_dir, out, *more) == 2
    shown = capsys.readouterr()
    assert text in shown.err
    assert not shown.out
    assert not out.exists()


@pytest.mark.parametrize("places", [("-o", "{file}/out"), ("--report", "{file}/report.json")])
def test_places_that_cannot_be_written_are_refused_before_any_work(
    zoo, photos_dir, tmp_path, capsys, places
):
    file = tmp_path / "file"
    file.write_text("in the way")
    option, place = places[0], places[1].format(file=file)
    words = [photos_dir, "-o", tmp_path / "out", "--sources", ",".join(zoo[:2])]
    assert jaxanon("anonymize", *words, option, place) == 2
    shown = capsys.readouterr()
    assert f"{place} cannot be written, as {file} is a file; choose another place" in shown.err
    assert not (tmp_path / "out").exists()
    words = ["transfer", photos_dir, photos_dir, "--classifiers", zoo[0]]
    assert jaxanon(*words, "--json", file / "t.json") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_a_folder_without_permission_is_refused(zoo, photos_dir, tmp_path, capsys, monkeypatch):
    (tmp_path / "closed").mkdir()
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, _: "closed" not in str(path) and allowed(path, _)
    )
    assert anonymize(zoo, photos_dir, tmp_path / "closed" / "out") == 2
    assert f"no permission in {tmp_path / 'closed'}" in capsys.readouterr().err


def test_argparse_errors_have_status_2(zoo, photos_dir, tmp_path, capsys):
    for words in (
        ["anonymize", photos_dir],
        ["anonymise"],
        ["anonymize", "x", "-o", "y", "--eps", "a"],
    ):
        with pytest.raises(SystemExit) as stop:
            jaxanon(*words)
        assert stop.value.code == 2
    capsys.readouterr()


def test_output_and_input_folders_must_be_apart(zoo, photos_dir, tmp_path, capsys):
    for out in (photos_dir, photos_dir / "out", tmp_path):
        assert anonymize(zoo, photos_dir, out) == 2
        assert "overlap" in capsys.readouterr().err
    assert anonymize(zoo, photos_dir / "a.png", photos_dir) == 2
    assert anonymize(zoo, tmp_path / "nowhere", tmp_path / "out") == 2
    assert "nowhere: no such file or folder" in capsys.readouterr().err


def test_nothing_is_overwritten_unasked(zoo, photos_dir, tmp_path, capsys):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    first = (out / "a.png").read_bytes()
    assert anonymize(zoo, photos_dir, out, "--method", "pixelate") == 2
    assert "exist already" in capsys.readouterr().err
    assert (out / "a.png").read_bytes() == first
    assert anonymize(zoo, photos_dir, out, "--method", "pixelate", "--overwrite", "--quiet") == 0
    assert (out / "a.png").read_bytes() != first


def test_a_killed_run_resumes(zoo, photos_dir, tmp_path, monkeypatch, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert anonymize(zoo, photos_dir, whole, "--quiet") == 0

    real, calls = run_module.Run._finish, []

    def finish(self, item):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(item)
        real(self, item)

    monkeypatch.setattr(run_module.Run, "_finish", finish)
    assert anonymize(zoo, photos_dir, out) == 130
    assert len(list(out.rglob("*.png"))) == 2
    assert not list(out.rglob(".*.part"))
    monkeypatch.undo()
    monkeypatch.setattr(registry, "ENTRIES", with_tinies())

    with (out / ".jaxanon-journal.jsonl").open("a") as file:
        file.write('{"input": "cut off in the mid')
    assert anonymize(zoo, photos_dir, out, "--resume", "--eps", 41) == 2
    assert "the settings differ: eps" in capsys.readouterr().err
    worked = []
    real_look = Intake._look

    def look(self, item):
        worked.append(item)
        return real_look(self, item)

    monkeypatch.setattr(Intake, "_look", look)
    assert anonymize(zoo, photos_dir, out, "--resume") == 0
    assert len(worked) == 3
    for path in whole.rglob("*.png"):
        assert (out / path.relative_to(whole)).read_bytes() == path.read_bytes()
    rows = [
        [
            {**i, "output": Path(i["output"]).name}
            for i in json.loads((d / "report.json").read_text())["images"]
        ]
        for d in (whole, out)
    ]
    assert rows[0] == rows[1]


def test_resume_repeats_what_has_changed_and_spares_what_is_not_its_own(
    zoo, photos_dir, tmp_path, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    (out / "b.png").write_bytes(b"somebody else's")
    assert anonymize(zoo, photos_dir, out, "--resume") == 2
    assert "exist already" in capsys.readouterr().err
    (out / "b.png").unlink()
    assert anonymize(zoo, photos_dir, out, "--resume", "--quiet") == 0, "nothing to resume: a start"

    before = {path: path.read_bytes() for path in out.rglob("*.png")}
    Image.fromarray(picture(77, 60, 90)).save(photos_dir / "a.png")
    assert anonymize(zoo, photos_dir, out, "--resume", "--quiet") == 0
    changed = [path.name for path, data in before.items() if path.read_bytes() != data]
    assert changed == ["a.png"]

    good = (photos_dir / "a.png").read_bytes()
    (photos_dir / "a.png").write_bytes(b"damaged meanwhile")
    assert anonymize(zoo, photos_dir, out, "--resume", "--quiet") == 1
    (photos_dir / "a.png").write_bytes(good)
    assert anonymize(zoo, photos_dir, out, "--resume", "--quiet") == 0

    Image.fromarray(picture(78, 60, 90)).save(photos_dir / "new.png")
    (out / "new.png").write_bytes(b"somebody else's")
    assert anonymize(zoo, photos_dir, out, "--resume") == 2
    assert (out / "new.png").read_bytes() == b"somebody else's"


def test_resume_notices_changed_regions(zoo, photos_dir, tmp_path, capsys):
    boxes, out = tmp_path / "boxes.json", tmp_path / "out"
    names = ["a.png", "b.jpg", "c.webp", "sub/d.png", "sub/e.png"]
    boxes.write_text(json.dumps([{"url": name, "bboxes": []} for name in names]))
    words = ["--regions", boxes]
    assert anonymize(zoo, photos_dir, out, *words, "--quiet") == 0
    box = {"x0": 10, "y0": 10, "x1": 50, "y1": 40}
    boxes.write_text(json.dumps([{"url": name, "bboxes": [box]} for name in names]))
    assert anonymize(zoo, photos_dir, out, *words, "--resume") == 2
    assert "the settings differ: files_state" in capsys.readouterr().err


def test_side_files_destroy_nothing(zoo, photos_dir, tmp_path, capsys):
    first = (photos_dir / "a.png").read_bytes()
    out = tmp_path / "out"
    for more, text in (
        (["--report", photos_dir / "a.png"], "among the inputs"),
        (["--sheet", photos_dir / "s.png"], "among the inputs"),
        (["--report", out / "a.png"], "written twice"),
        (["--report", tmp_path], "is a folder"),
        (["--sheet", tmp_path / "s.png", "--report", tmp_path / "s.png"], "written twice"),
        (["--save-anonymized", tmp_path / "p", "--sheet", tmp_path / "p" / "s.png"], "originals"),
        (["--save-anonymized", out], "overlap"),
        (["--save-anonymized", out / "sub"], "overlap"),
    ):
        assert anonymize(zoo, photos_dir, out, "--overwrite", *more) == 2
        assert text in capsys.readouterr().err
        assert not out.exists()
    words = ["transfer", photos_dir, photos_dir, "--classifiers", zoo[0], "--overwrite"]
    assert jaxanon(*words, "--json", photos_dir / "a.png") == 2
    assert (photos_dir / "a.png").read_bytes() == first
    (tmp_path / "file").touch()
    assert anonymize(zoo, photos_dir, tmp_path / "file") == 2
    assert jaxanon("demo", "-o", tmp_path / "file") == 2
    assert jaxanon("transfer", photos_dir, photos_dir, "--classifiers", ",") == 2
    assert jaxanon("adapt", photos_dir, photos_dir, "-o", out, "--sources", zoo[0]) == 2
    capsys.readouterr()


def test_an_annotation_serves_one_input_only(zoo, photos_dir, tmp_path, capsys):
    shutil.copy(photos_dir / "a.png", photos_dir / "b.png")
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("a", "b", "c"):
        height, width = decode(next(photos_dir.glob(f"{name}.*"))).shape[:2]
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


def test_a_file_in_the_way_of_some_outputs_fails_those_alone(zoo, photos_dir, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "sub").touch()  # a file where a folder has to be
    assert anonymize(zoo, photos_dir, out) == 1
    report = json.loads((out / "report.json").read_text())
    states = {Path(i["input"]).name: i["status"] for i in report["images"]}
    assert states == {
        "a.png": "kept",
        "b.jpg": "kept",
        "c.webp": "kept",
        "d.png": "failed",
        "e.png": "failed",
    }


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
    original, saved = decode(photos_dir / "a.png"), decode(out / "a.png")
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
    everyone = Ensemble([load_classifier(name) for name in zoo])
    for row in report["images"]:
        saved = decode(Path(row["output"]))
        made = everyone.decide([saved])[:, 0]
        assert [row["decisions"][name]["adapted"] for name in NAMES] == made.tolist()
        original = decode(Path(row["input"]))
        before = blur(original.astype(np.float32), 10 * min(original.shape[:2]) / 256)
        gap = np.abs(saved - np.clip(np.rint(before), 0, 255)).max()
        assert row["linf"] == gap, "measured on the saved file"


def test_adapt_takes_pairs_of_any_other_anonymizer(zoo, photos_dir, tmp_path, capsys):
    other = tmp_path / "other"
    (other / "sub").mkdir(parents=True)
    for path in photos_dir.rglob("*.*"):
        target = (other / path.relative_to(photos_dir)).with_suffix(".png")
        image = decode(path)
        Image.fromarray(
            image[::2, ::2].repeat(2, 0).repeat(2, 1)[: image.shape[0], : image.shape[1]]
        ).save(target)
    (other / "a.png").unlink()
    Image.fromarray(decode(photos_dir / "b.jpg").transpose(1, 0, 2)).save(other / "b.png")
    out = tmp_path / "out"
    code = jaxanon(
        "adapt", photos_dir, other, "-o", out, "--sources", ",".join(zoo[:2]), "--eps", 40
    )
    assert code == 1
    report = json.loads((out / "report.json").read_text())
    errors = {Path(i["input"]).name: i["error"] for i in report["images"]}
    assert "no a.* in" in errors["a.png"]
    assert "turned by 90 degrees?" in errors["b.jpg"]
    assert [errors[n] for n in ("c.webp", "d.png", "e.png")] == [None] * 3
    assert sorted(p.name for p in out.rglob("*.png")) == ["c.png", "d.png", "e.png"]
    assert jaxanon("adapt", photos_dir, other, "-o", other / "x", "--sources", zoo[0]) == 2
    assert "overlap" in capsys.readouterr().err


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

    (out / "a.png").unlink()
    assert jaxanon(*words, "--json", tmp_path / "t.json") == 2
    assert jaxanon(*words, "--json", tmp_path / "t.json", "--overwrite") == 1
    assert "no a.* in" in capsys.readouterr().err
    assert jaxanon(*words, "--source", "tf_efficientnet_lite0") == 2
    assert jaxanon("transfer", photos_dir, out, "--classifiers", "tiny_d") == 2
    capsys.readouterr()


def test_models(capsys):
    assert jaxanon("models") == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == [n.split(".")[0] for n in list_classifiers()]
    assert {line.split()[0] for line in lines} == set(registry.ENTRIES)
    assert jaxanon("models", "*lite[34]*", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["input_size"] for row in rows] == [300, 380]
    assert rows[0]["licence"] == "apache-2.0"
    assert jaxanon("models", "resnet50", "--json") == 0
    assert [row["tag"] for row in json.loads(capsys.readouterr().out)] == ["a1_in1k"]
    assert jaxanon("models", "no-such*") == 2


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        jaxanon(command, "--help")
    assert stop.value.code == 0
    assert f"example: jaxanon {command}" in capsys.readouterr().out


def test_import_and_help_are_light():
    code = (
        "import jax, sys; before = set(sys.modules); import jaxanon, jaxanon.cli;"
        "jaxanon.cli.parser(); print(*sorted({n.split('.')[0] for n in set(sys.modules) - before}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"flax", "optax", "orbax", "PIL", "scipy", "matplotlib", "torch", "huggingface_hub"}
    assert not heavy & set(out.stdout.split())


def test_a_run_killed_before_its_first_image_is_resumed(zoo, photos_dir, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "stream", die)
        assert anonymize(zoo, photos_dir, out, "--quiet") == 130
    assert anonymize(zoo, photos_dir, out, "--quiet", "--resume") == 0
    assert json.loads((out / "report.json").read_text())["summary"]["done"] == 5


def test_a_run_killed_while_it_replaces_a_file_does_it_again(
    zoo, photos_dir, tmp_path, monkeypatch
):
    """The older file of that name is not taken for the one on record."""
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    older = (out / "a.png").read_bytes()
    Image.fromarray(picture(77, 60, 90)).save(photos_dir / "a.png")

    def die(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "commit", die)
        assert anonymize(zoo, photos_dir, out, "--quiet", "--resume") == 130
    assert anonymize(zoo, photos_dir, out, "--quiet", "--resume") == 0
    again = tmp_path / "again"
    assert anonymize(zoo, photos_dir, again, "--quiet") == 0
    assert (out / "a.png").read_bytes() == (again / "a.png").read_bytes() != older


@pytest.mark.parametrize("option", ["--devices", "--slots"])
def test_devices_and_slots_are_checked(zoo, photos_dir, tmp_path, capsys, option):
    assert anonymize(zoo, photos_dir, tmp_path / "out", option, 0) == 2
    assert f"{option[2:]} is 0" in capsys.readouterr().err
    assert anonymize(zoo, photos_dir, tmp_path / "out", "--devices", 99) == 2
    assert "devices is 99" in capsys.readouterr().err


def test_where_the_time_went_is_in_the_report(zoo, photos_dir, tmp_path):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--slots", 2, "--quiet") == 0
    timing = json.loads((out / "report.json").read_text())["timing"]
    for share in ("device_busy", "slots_taken"):
        assert 0 < timing[share] <= 1
    assert {"compile", "encode and write", "read and anonymize"} <= set(timing["host_seconds"])
    assert all(seconds > 0 for seconds in timing["host_seconds"].values())


def test_the_number_of_slots_does_not_change_what_is_kept(zoo, photos_dir, tmp_path):
    statuses = []
    for slots in (1, 3):
        out = tmp_path / str(slots)
        assert anonymize(zoo, photos_dir, out, "--slots", slots, "--quiet") == 0
        images = json.loads((out / "report.json").read_text())["images"]
        statuses.append([image["status"] for image in images])
    assert statuses[0] == statuses[1]


def test_bench(zoo, photos_dir, tmp_path, capsys, monkeypatch):
    from jaxanon.cli import bench

    monkeypatch.setattr(bench, "photos", lambda: [(path, 0) for path in photos_dir.glob("*.png")])
    file = tmp_path / "bench.json"
    words = ["bench", "--classifiers", ",".join(zoo), "--batch", 2, "--repeats", 2, "--json", file]
    assert jaxanon(*words) == 0
    printed = capsys.readouterr().out
    assert "all 3 together" in printed
    assert "the device was busy" in printed
    result = json.loads(file.read_text())
    assert [row["name"] for row in result["gradient_steps"][:3]] == list(NAMES)
    for row in result["gradient_steps"]:
        assert row["forward_seconds"] > 0
        assert row["gflop_per_image"] > 0
        assert row["images_per_second"] == pytest.approx(2 / row["seconds"])
    assert result["end_to_end"]["images"] == len(list(photos_dir.glob("*.png")))
    assert jaxanon(*words) == 2, "an existing file is not overwritten"
    assert jaxanon("bench", "--classifiers", ",") == 2
    assert jaxanon("bench", "--batch", 0) == 2


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
    told = {}

    def listen(key, pixels, decisions, sources, settings, **more):
        told[key.input] = more["soft_labels"]
        return prepare(key, pixels, decisions, sources, settings, **more)

    prepare = intake.prepare
    monkeypatch.setattr(intake, "prepare", listen)
    anonymize(zoo, photos_dir, tmp_path / "out", "--loss", "soft", "--steps", 3, "--quiet")
    sources = Ensemble([load_classifier(name) for name in zoo[:2]])
    assert told
    for path, soft_labels in told.items():
        for logits, soft_label in zip(sources.logits([decode(path)]), soft_labels, strict=True):
            powers = np.exp(logits[0].astype(float))
            np.testing.assert_allclose(soft_label, powers / powers.sum(), rtol=1e-4)


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
    assert "--towards is 99; tiny_a.test has 0 to 9" in capsys.readouterr().err
    assert jaxanon("attack", *words, "--target-class", 3, "--loss", "soft", "--overwrite") == 2
    assert "loss is soft; it must be another for an attack" in capsys.readouterr().err
    least = ["--steps", 1, "--eps", 1, "--target-class", 9]
    assert jaxanon("attack", *words, "--overwrite", *least) == 0
    shown = capsys.readouterr().out
    assert " reached, " in shown
    assert "not every source sees class 9" in shown
    assert jaxanon("attack", *words, "--overwrite", "--steps", 1, "--eps", 1) == 0
    shown = capsys.readouterr().out
    assert " fooled, " in shown
    assert "not every source was fooled" in shown

    words = ["transfer", photos_dir, out, "--classifiers", ",".join(zoo[:2])]
    assert jaxanon(*words, "--under", "jpeg50,flip", "--class-aware", "--json", result) == 0
    shown = capsys.readouterr().out
    found = json.loads(result.read_text())
    flipped = [picture[:, ::-1] for picture in map(decode, sorted(out.rglob("*.png")))]
    originals = sorted(path for path in photos_dir.rglob("*") if path.is_file())
    everyone = Ensemble([load_classifier(name) for name in zoo[:2]])
    reference = everyone.decide([decode(path) for path in originals])
    kept = (everyone.decide(flipped) == reference).mean(1)
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
