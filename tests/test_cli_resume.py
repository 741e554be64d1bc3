import json
from pathlib import Path

from command_line import anonymize, with_tinies
from PIL import Image
from samples import picture

from jaxanon.classifiers import registry
from jaxanon.io.results import FilePlace
from jaxanon.pipeline import run as run_module
from jaxanon.pipeline.intake import Intake


def test_a_killed_run_resumes(zoo, photos_dir, tmp_path, monkeypatch, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert anonymize(zoo, photos_dir, whole, "--quiet") == 0

    real, calls = run_module.Run._finish, []

    def finish(self, state):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(state)
        real(self, state)

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
    real_view = Intake.view

    def view(self, item):
        worked.append(item)
        return real_view(self, item)

    monkeypatch.setattr(Intake, "view", view)
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
        patch.setattr(FilePlace, "commit", die)
        assert anonymize(zoo, photos_dir, out, "--quiet", "--resume") == 130
    assert anonymize(zoo, photos_dir, out, "--quiet", "--resume") == 0
    again = tmp_path / "again"
    assert anonymize(zoo, photos_dir, again, "--quiet") == 0
    assert (out / "a.png").read_bytes() == (again / "a.png").read_bytes() != older
