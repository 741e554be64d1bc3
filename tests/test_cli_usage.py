import json
import os
from pathlib import Path

import pytest
from command_line import anonymize, jaxanon


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


def test_an_unknown_option_is_told_with_the_commands_usage(capsys):
    with pytest.raises(SystemExit):
        jaxanon("anonymize", "photos", "-o", "out", "--stregth", "8")
    shown = capsys.readouterr().err
    assert "usage: jaxanon anonymize" in shown
    assert "unrecognized arguments: --stregth 8; near matches: --strength" in shown


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


@pytest.mark.parametrize("option", ["--devices", "--slots"])
def test_devices_and_slots_are_checked(zoo, photos_dir, tmp_path, capsys, option):
    assert anonymize(zoo, photos_dir, tmp_path / "out", option, 0) == 2
    assert f"{option[2:]} is 0" in capsys.readouterr().err
    assert anonymize(zoo, photos_dir, tmp_path / "out", "--devices", 99) == 2
    assert "devices is 99" in capsys.readouterr().err


def test_nothing_is_overwritten_unasked(zoo, photos_dir, tmp_path, capsys):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    first = (out / "a.png").read_bytes()
    assert anonymize(zoo, photos_dir, out, "--method", "pixelate") == 2
    assert "exist already" in capsys.readouterr().err
    assert (out / "a.png").read_bytes() == first
    assert anonymize(zoo, photos_dir, out, "--method", "pixelate", "--overwrite", "--quiet") == 0
    assert (out / "a.png").read_bytes() != first


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
