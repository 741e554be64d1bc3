"""Pairs made by other tools, and what is wrong with some of them."""

import json

import numpy as np
import pytest
from PIL import Image
from samples import picture
from skimage import data

from jaxanon.anonymizers import anonymize
from jaxanon.errors import ImageError
from jaxanon.io.pairs import TURNS, check_orientation


@pytest.mark.parametrize("name", list(TURNS))
@pytest.mark.parametrize(("method", "strength"), [("blur", 12), ("pixelate", 32)])
def test_a_turned_partner_is_named(tmp_path, name, method, strength):
    scenes = [data.astronaut(), data.coffee()[:400, 100:500], data.chelsea()[:300, :300]]
    for shown in scenes[:1] if name == "mirrored left to right" else scenes:  # symmetric ones pass
        hidden = anonymize(shown, method, strength=strength)
        check_orientation(shown, hidden, tmp_path / "a.png")
        with pytest.raises(ImageError, match=r"a\.png: it seems to be (turned|mirrored)"):
            check_orientation(shown, np.ascontiguousarray(TURNS[name](hidden)), tmp_path / "a.png")


def test_what_says_nothing_of_its_orientation_passes(tmp_path):
    shown = data.astronaut()
    check_orientation(shown, anonymize(shown, "solid"), tmp_path / "a.png")
    noise = np.random.default_rng(0).integers(0, 256, shown.shape, np.uint8)
    check_orientation(shown, noise, tmp_path / "a.png")
    check_orientation(noise, noise, tmp_path / "a.png")


def test_every_mismatch_is_reported_and_the_rest_goes_on(tmp_path, tinies, tiny_main, capsys):

    photos, blurred, out = tmp_path / "photos", tmp_path / "blurred", tmp_path / "out"
    for folder in (photos / "sub", blurred / "sub"):
        folder.mkdir(parents=True)
    names = ("fine", "missing", "small", "turned", "upside")
    for i, name in enumerate(names):
        shown = data.chelsea() if name == "upside" else picture(i, 60, 80)
        Image.fromarray(shown).save(photos / "sub" / f"{name}.png")
        hidden = anonymize(shown, "blur", strength=12)
        made = {
            "small": hidden[:50], "turned": np.rot90(hidden), "upside": np.rot90(hidden, 2)
        }.get(name, hidden)  # fmt: skip
        if name != "missing":
            Image.fromarray(np.ascontiguousarray(made)).save(blurred / "sub" / f"{name}.jpg")
    Image.fromarray(picture(9, 60, 80)).save(blurred / "stranger.jpg")
    words = ["adapt", photos, blurred, "-o", out, "--sources", "tf_efficientnet_lite0"]
    assert tiny_main([*map(str, words), "--steps", "20"]) == 1
    shown = capsys.readouterr()
    for text in (
        "no sub/missing.*", "has 80x50", "(turned by 90 degrees?)",
        "upside.jpg: it seems to be turned by 180 degrees",
    ):  # fmt: skip
        assert text in shown.out
    assert "1 file of" in shown.err
    assert "stranger.jpg is the first" in shown.err
    assert [path.name for path in (out / "sub").iterdir()] == ["fine.png"]


def test_pairs_are_resumed_once_the_missing_one_is_there(tmp_path, tinies, tiny_main, capsys):

    photos, blurred, out = tmp_path / "photos", tmp_path / "blurred", tmp_path / "out"
    photos.mkdir()
    blurred.mkdir()
    for i in range(3):
        shown = picture(i, 60, 80)
        Image.fromarray(shown).save(photos / f"{i}.png")
        Image.fromarray(anonymize(shown, "pixelate", strength=24)).save(blurred / f"{i}.png")
    hidden = (blurred / "2.png").read_bytes()
    (blurred / "2.png").unlink()
    words = ["adapt", photos, blurred, "-o", out, "--sources", "tf_efficientnet_lite0", "--quiet"]
    words = [*map(str, words), "--steps", "20"]
    assert tiny_main(words) == 1
    times = {i: (out / f"{i}.png").stat().st_mtime_ns for i in (0, 1)}
    (blurred / "2.png").write_bytes(hidden)
    other = anonymize(picture(1, 60, 80), "pixelate", strength=16)
    Image.fromarray(other).save(blurred / "1.png")
    assert tiny_main([*words, "--resume"]) == 0
    assert (out / "2.png").is_file()
    assert (out / "0.png").stat().st_mtime_ns == times[0]
    assert (out / "1.png").stat().st_mtime_ns != times[1], "its partner was made anew"
    rows = json.loads((out / "report.json").read_text())["images"]
    assert [row["partner"] for row in rows] == [str(blurred / f"{i}.png") for i in range(3)]


def test_what_an_earlier_run_saved_is_an_input_like_any_other(tmp_path, tiny_main):
    """Its anonymized images, adapted once more in its place: they are given now, not left over."""
    photos, blurred, out = tmp_path / "photos", tmp_path / "blurred", tmp_path / "out"
    photos.mkdir()
    Image.fromarray(picture(0, 60, 80)).save(photos / "a.png")
    more = ["-o", out, "--sources", "tf_efficientnet_lite0", "--steps", 20, "--quiet"]
    how = ["--method", "pixelate", "--strength", 16]
    words = ["anonymize", photos, *more, *how, "--save-anonymized", blurred]
    assert tiny_main([*map(str, words)]) == 0
    hidden = (blurred / "a.png").read_bytes()
    assert tiny_main([*map(str, ["adapt", photos, blurred, *more, "--overwrite"])]) == 0
    assert (blurred / "a.png").read_bytes() == hidden
    assert (out / "a.png").is_file()


def test_overwriting_from_another_folder_removes_nobody_elses_files(
    tmp_path, tiny_main, monkeypatch
):
    (tmp_path / "photos").mkdir()
    Image.fromarray(picture(0, 60, 80)).save(tmp_path / "photos" / "a.png")
    more = ["--sources", "tf_efficientnet_lite0", "--steps", "20", "--quiet"]
    monkeypatch.chdir(tmp_path)
    assert tiny_main(["anonymize", "photos", "-o", "out", "--save-anonymized", "anon", *more]) == 0
    other = tmp_path / "sub" / "anon" / "a.png"
    other.parent.mkdir(parents=True)
    other.write_text("somebody else's")
    monkeypatch.chdir(tmp_path / "sub")
    assert tiny_main(["anonymize", "../photos", "-o", "../out", "--overwrite", *more]) == 0
    assert other.read_text() == "somebody else's"
    assert not (tmp_path / "anon" / "a.png").exists()
    journal = tmp_path / "out" / ".jaxanon-journal.jsonl"
    first, row = map(json.loads, journal.read_text().splitlines())
    row["extra_outputs"] = ["anon/a.png"]
    journal.write_text(f"{json.dumps(first)}\n{json.dumps(row)}\n")
    assert tiny_main(["anonymize", "../photos", "-o", "../out", "--overwrite", *more]) == 0
    assert other.exists()
