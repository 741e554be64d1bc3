import json
from pathlib import Path

from command_line import anonymize, with_tinies
from PIL import Image
from samples import picture

from jaxanon.classifiers import registry
from jaxanon.io.results import FilePlace
from jaxanon.pipeline import run as run_module
from jaxanon.pipeline import stages as stages_module
from jaxanon.pipeline.earlier import RENAMED
from jaxanon.pipeline.intake import Intake

JOURNAL = ".jaxanon-journal.jsonl"


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

    with (out / JOURNAL).open("a") as file:
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
        patch.setattr(stages_module, "stream", die)
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


def as_an_earlier_version_wrote_it(journal: Path) -> None:
    """Former names of the options, and rows that do not say where their files lie."""
    first, *rows = map(json.loads, journal.read_text().splitlines())
    former = {now: before for before, now in RENAMED.items()}
    settings = {former.get(name, name): value for name, value in first["settings"].items()}
    assert "step" in settings
    for row in rows:
        row.pop("place"), row.pop("extra_outputs")
    lines = [{"settings": settings}, *rows]
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_runs_of_earlier_versions_are_resumed_and_overwritten_like_others(
    zoo, photos_dir, tmp_path
):
    out, aside = tmp_path / "out", tmp_path / "aside"
    words = ("--save-anonymized", aside, "--quiet")
    assert anonymize(zoo, photos_dir, out, *words) == 0
    as_an_earlier_version_wrote_it(out / JOURNAL)
    (out / "a.png").unlink()
    kept = (out / "b.png").stat().st_mtime_ns
    assert anonymize(zoo, photos_dir, out, *words, "--resume") == 0
    assert (out / "a.png").is_file()
    assert (out / "b.png").stat().st_mtime_ns == kept

    as_an_earlier_version_wrote_it(out / JOURNAL)
    (aside / "mine.png").write_bytes(b"not of any run")
    assert anonymize(zoo, photos_dir, out, "--quiet", "--overwrite") == 0
    assert [path.name for path in aside.rglob("*.*")] == ["mine.png"]


def test_an_image_whose_name_changes_is_made_anew_and_the_older_file_is_named(
    zoo, photos_dir, tmp_path, capsys
):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    Image.fromarray(picture(78, 60, 90)).save(photos_dir / "a.jpg")
    capsys.readouterr()
    assert anonymize(zoo, photos_dir, out, "--resume") == 0
    assert f"1 images of the earlier run are not in the new report, {out / 'a.png'} the first" in (
        capsys.readouterr().err
    )
    rows = json.loads((out / "report.json").read_text())["images"]
    outputs = [Path(row["output"]).relative_to(out).as_posix() for row in rows]
    assert outputs == ["a.jpg.png", "a.png.png", "b.png", "c.png", "sub/d.png", "sub/e.png"]
    assert all((out / name).is_file() for name in outputs)
    assert anonymize(zoo, photos_dir, out, "--overwrite", "--quiet") == 0
    assert not (out / "a.png").exists()


def test_a_damaged_journal_is_refused(zoo, photos_dir, tmp_path, capsys):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    first, row, *_ = map(json.loads, (out / JOURNAL).read_text().splitlines())
    number = {**row, "record": {**row["record"], "output": 5}}
    for lines in ([first, number], [first, {**row, "fingerprint": None}], [{"settings": [1]}, row]):
        (out / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines))
        assert anonymize(zoo, photos_dir, out, "--resume") == 2
        assert f"{out / JOURNAL}: unreadable" in capsys.readouterr().err
    assert anonymize(zoo, photos_dir, out, "--overwrite", "--quiet") == 0
