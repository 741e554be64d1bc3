"""`-`: a picture from standard input, one to standard output."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from command_line import jaxanon
from PIL import Image
from samples import picture

from jaxanon.io.images import decode, encode
from jaxanon.io.standard_streams import StreamedImage
from jaxanon.runtime.arrays import is_grey


class Stream(io.TextIOWrapper):
    """A standard stream, a terminal or not."""

    def __init__(self, data=b"", terminal=False):
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.fixture
def piped(monkeypatch, zoo):
    """Runs a command with data on standard input; gives its status and standard output."""

    def piped(data, *words, terminal=False):
        out = Stream(terminal=terminal)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", Stream(data))
            patch.setattr(sys, "stdout", out)
            status = jaxanon(*words, "--sources", zoo[0], "--eps", 40)
        return status, out.buffer.getvalue()

    return piped


def test_a_picture_in_and_one_out(piped, tmp_path, capfd):
    original = picture(1, 60, 90)
    report = tmp_path / "report.json"
    words = ["anonymize", "-", "-o", "-", "--strength", 10]
    status, data = piped(encode(original, "jpeg"), *words, "--report", report)
    assert status == 0
    adapted = decode(StreamedImage(data))
    assert adapted.shape == original.shape
    record = json.loads(report.read_text())["images"][0]
    assert (record["input"], record["output"]) == ("standard input", "standard output")
    assert record["status"] == "kept"
    assert list(tmp_path.glob("*.png")) == []
    assert "1 image: 1 kept" in capfd.readouterr().err, "the table is no picture"
    folder = tmp_path / "out"
    assert piped(encode(original, "jpeg"), *words[:3], folder, *words[4:], "--quiet") == (0, b"")
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "stdin.png")), adapted)
    assert piped(encode(original, "jpeg"), *words, "--report", report, "--quiet") == (2, b"")
    assert "give --overwrite to replace it" in capfd.readouterr().err
    again = [*words, "--report", report, "--overwrite", "--quiet"]
    assert piped(encode(original, "jpeg"), *again) == (0, data)
    file = tmp_path / "a.jpg"
    file.write_bytes(encode(original, "jpeg"))
    assert piped(b"", "anonymize", file, *words[2:], "--quiet") == (0, data), "of a file as well"


def test_files_that_are_named_like_streams(piped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "standard output").write_text("of others")
    (tmp_path / "-").write_bytes(encode(picture(2, 60, 90), "png"))
    status, data = piped(b"nothing", "anonymize", "./-", "-o", "-", "--quiet")
    assert (status, decode(StreamedImage(data)).shape) == (0, (60, 90, 3))


def test_other_commands_do_not_read_standard_input(piped, photos_dir, capfd):
    assert jaxanon("transfer", "-", photos_dir) == 2
    assert "- is standard input, which only anonymize and attack can read" in capfd.readouterr().err


def test_a_mask_of_what_is_on_standard_input(piped, tmp_path):
    original = picture(1, 60, 90)
    mask = np.zeros((60, 90), np.uint8)
    mask[10:30, 20:60] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "stdin.png")
    words = ["anonymize", "-", "-o", "-", "--regions", tmp_path / "masks", "--method", "solid"]
    status, data = piped(encode(original, "png"), *words)
    assert status == 0
    changed = (decode(StreamedImage(data)) != original).any(2)
    assert changed[mask > 0].mean() > 0.9
    assert not changed[mask == 0].any()


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff"])
def test_what_is_no_picture_gives_none(piped, data, capfd):
    assert piped(data, "anonymize", "-", "-o", "-") == (1, b"")
    assert "error: standard input: " in capfd.readouterr().err


def test_what_standard_output_cannot_be(piped, photos_dir, tmp_path, capfd):
    data = encode(picture(1, 60, 90), "png")
    for words, text in (
        ([photos_dir], "-o - writes one image to standard output, not 5"),
        (["-", photos_dir / "a.png"], "-o - writes one image to standard output, not 2"),
        (["-", "--resume"], "--resume needs an output folder"),
        (["-", "--sheet", tmp_path / "s.png"], "--sheet needs an output folder"),
        (["-", "--method", "isr", "--views", 1], "--method isr needs an output folder"),
    ):
        assert piped(data, "anonymize", *words, "-o", "-") == (2, b"")
        assert text in capfd.readouterr().err
    assert piped(data, "anonymize", "-", "-o", "-", terminal=True) == (2, b"")
    assert "standard output, here a terminal" in capfd.readouterr().err


def test_a_terminal_gives_no_picture(monkeypatch, zoo, tmp_path, capsys):
    monkeypatch.setattr(sys, "stdin", Stream(terminal=True))
    assert jaxanon("anonymize", "-", "-o", tmp_path / "out", "--sources", zoo[0]) == 2
    assert "give it a picture: jaxanon anonymize - -o - <" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", None)
    assert jaxanon("anonymize", "-", "-o", tmp_path / "out", "--sources", zoo[0]) == 2
    assert "- is standard input, here closed" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", Stream(encode(picture(1, 60, 90), "png")))
    monkeypatch.setattr(sys, "stdout", None)
    assert jaxanon("anonymize", "-", "-o", "-", "--sources", zoo[0]) == 2
    assert "- is standard output, here closed" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_grey_pictures_stay_grey_on_request(piped, form):
    grey = picture(2, 60, 90).mean(2).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "png")
    words = ["anonymize", "-", "-o", "-", "--strength", 10, "--format", form, "--quiet"]
    status, data = piped(buffer.getvalue(), *words, "--keep-grey")
    assert status == 0
    found = Image.open(io.BytesIO(data))
    assert found.mode == ("RGB" if form == "webp" else "L")
    assert is_grey(decode(StreamedImage(data)))
    status, data = piped(buffer.getvalue(), *words)
    assert not is_grey(decode(StreamedImage(data))), "what the option is for"


def test_a_backend_that_is_not_there_is_said_in_one_line(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(encode(picture(1, 60, 90), "png"))
    command = [sys.executable, "-m", "jaxanon", "anonymize", file, "-o", tmp_path / "out"]
    for platform in ("cuda", "quantum"):
        env = {**os.environ, "JAX_PLATFORMS": platform}
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
        assert f"JAX_PLATFORMS is {platform}: " in done.stderr
        assert "; unset it to use what is there" in done.stderr
