"""The card of a run's output, and pushing the output to a hub and loading it from there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import anonymize, jaxanon
from local_dataset_hub import DatasetHub
from test_page import RUN, row
from test_shards import anonymize as anonymize_shards
from test_shards import encoded, shards  # noqa: F401

from jaxanon.io.images import read_image, write_image
from jaxanon.pipeline.card import card
from jaxanon.pipeline.page import contents_of


def read(text):
    from huggingface_hub import DatasetCard

    return DatasetCard(text)


def card_of(rows, run=RUN):
    rows = list(rows)
    return read(card(run, contents_of({**run, "version": "1"}, rows, {})).decode())


def test_a_card_tells_what_was_done_and_not_where():
    settings = {**RUN["settings"], "regions": "/home/me/boxes.json", "sources": "a@/home/me/a.pth"}
    run = {**RUN, "settings": settings, "weights": {"a": "/home/me/a.pth", "b": "https://hub/b"}}
    run["guarantee"] = {"bits": 3.3, "text": "at most 3.3 bits"}
    failed = row(20, status="failed", output=None, decisions={}, error="/home/me/20.png: no")
    found = card_of([*(row(i, adapted=i % 2) for i in range(20)), failed], run)
    assert found.data.task_categories == ["image-classification"]
    assert found.data.size_categories == ["n<1K"]
    for text in (
        "| a | source | 0.0 (0-16) | 100.0 (84-100) | of the user's own |",
        "| b | target | 0.0 (0-16) | 50.0 (30-70) | https://hub/b |",
        "Images: 1 failed, 20 kept.",
        "Of the originals the declared regions of each were hidden by blur, strength 6.",
        "At most 3.3 bits",
        "at most 16/255",
        "1 of the originals could not be adapted",
    ):
        assert text in found.text
    assert "/home" not in str(found)
    assert "20.png" not in str(found)


def test_an_output_folder_has_its_card(zoo, photos_dir, shards, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    first = (out / "README.md").read_text()
    assert "configs" not in read(first).data.to_dict()
    assert jaxanon("report", out) == 0
    assert (out / "README.md").read_text() == first
    assert str(tmp_path) not in first
    other = tmp_path / "other"
    assert anonymize_shards(zoo, shards, other, "--quiet") == 0
    [config] = read((other / "README.md").read_text()).data.to_dict()["configs"]
    assert config["data_files"] == [{"split": "train", "path": ["*.tar"]}]
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "README.md").write_text("mine")
    assert anonymize(zoo, photos_dir, mine, "--quiet") == 2
    assert "README.md exists; give --overwrite" in capsys.readouterr().err
    assert anonymize_shards(zoo, shards, mine, "--quiet") == 2
    assert (mine / "README.md").read_text() == "mine"


@pytest.fixture
def hub(monkeypatch):
    """A hub of data sets that `huggingface_hub` takes for the real one."""
    from huggingface_hub import constants

    with DatasetHub().running() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.address)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield running


LOAD = """
import sys, datasets
found = datasets.load_dataset("me/adapted", split="train", cache_dir=sys.argv[1])
print(len(found), found[0]["image" if "image" in found.column_names else "png"].size)
"""


def loaded(hub, folder):
    """What `datasets` makes of the data set, in a process of its own: the address is read once."""
    env = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(folder / "hf")}
    env["HF_HUB_OFFLINE"] = "0"
    words = [sys.executable, "-W", "ignore", "-c", LOAD, str(folder / "cache")]
    run = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout.strip()


def test_what_is_pushed_can_be_loaded_again(zoo, photos_dir, shards, hub, tmp_path, capsys):  # noqa: F811
    out, place = tmp_path / "out", "hf://datasets/me/adapted"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    assert jaxanon("push", out, place) == 0
    assert "6 files" in capsys.readouterr().out
    assert hub.private == {"me/adapted": True}
    there = {file for _, file in hub.files}
    assert there == {
        "README.md",
        *(path.relative_to(out).as_posix() for path in out.rglob("*.png")),
    }
    read(hub.files["me/adapted", "README.md"].decode()).validate(repo_type="dataset")
    assert loaded(hub, tmp_path).startswith("5 (")
    assert jaxanon("push", out, place) == 2
    assert "has README.md already; give --overwrite" in capsys.readouterr().err
    other = tmp_path / "other"
    assert anonymize_shards(zoo, shards, other, "--quiet") == 0
    assert jaxanon("push", other, place, "--overwrite", "--quiet") == 0
    assert {file for _, file in hub.files} == {"README.md", *(path.name for path in shards)}
    assert loaded(hub, tmp_path / "again") == "9 (52, 40)"


def test_a_push_that_breaks_off_is_gone_on_with(
    zoo, photos_dir, hub, tmp_path, monkeypatch, capsys
):
    from jaxanon.cli import push

    monkeypatch.setattr(push, "FILES", 2)
    out, place = tmp_path / "out", "hf://datasets/me/adapted"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    hub.refused_after = 1
    assert jaxanon("push", out, place) == 1
    assert f"{hub.address}/datasets/me/adapted: not uploaded" in capsys.readouterr().err
    assert len(hub.files) == 2
    hub.refused_after = None
    assert jaxanon("push", out, place, "--public", "--quiet") == 2
    assert "is there, and private; give leave --public out" in capsys.readouterr().err
    assert jaxanon("push", out, place, "--quiet") == 0
    assert len(hub.files) == 6
    assert hub.commits == [2, 2, 2, 1, 1]


def test_a_public_data_set_stays_no_secret(zoo, photos_dir, hub, tmp_path, capsys):
    out, place = tmp_path / "out", "hf://datasets/me/adapted"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    assert jaxanon("push", out, place, "--public", "--quiet") == 0
    assert jaxanon("push", out, place, "--overwrite", "--quiet") == 2
    assert "is there, and public; give --public" in capsys.readouterr().err


def test_originals_are_not_pushed_by_another_name(zoo, photos_dir, hub, tmp_path, capsys):
    """Attacked ones, and those in which nothing was found to hide."""
    out, place = tmp_path / "out", "hf://datasets/me/adapted"
    words = ["--sources", zoo[0], "--quiet"]
    assert jaxanon("attack", photos_dir, "-o", out, *words) == 0
    assert not (out / "README.md").exists()
    assert "hidden in no way" in (out / "report.html").read_text()
    (out / "README.md").write_text("a card")
    assert jaxanon("push", out, place) == 2
    assert "was attacked, not anonymized" in capsys.readouterr().err

    boxes, bare = tmp_path / "boxes.json", tmp_path / "bare"
    names = ["b.jpg", "c.webp", "sub/d.png", "sub/e.png"]
    box = {"x0": 0, "y0": 0, "x1": 40, "y1": 40}
    given = [{"url": "a.png", "bboxes": []}, *({"url": name, "bboxes": [box]} for name in names)]
    boxes.write_text(json.dumps(given))
    assert jaxanon("anonymize", photos_dir, "-o", bare, *words, "--regions", boxes) == 0
    assert "1 of the images are as they were given" in (bare / "report.html").read_text()
    assert "1 of them is as its original" in (bare / "README.md").read_text()
    assert jaxanon("push", bare, place) == 2
    error = capsys.readouterr().err
    assert "in 1 image, such as" in error
    assert "a.png, nothing was hidden" in error
    assert not hub.files
    assert jaxanon("push", bare, place, "--untouched", "--quiet") == 0


def test_a_licence_that_was_filled_in_stays(zoo, photos_dir, tmp_path):
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--quiet") == 0
    card_file = out / "README.md"
    card_file.write_text(card_file.read_text().replace("license: unknown", "license: cc-by-4.0"))
    assert jaxanon("report", out, "--quiet") == 0
    assert read(card_file.read_text()).data.license == "cc-by-4.0"


def test_what_may_be_private_is_not_pushed(zoo, photos_dir, shards, hub, tmp_path, capsys):  # noqa: F811
    out, place = tmp_path / "out", "hf://datasets/me/adapted"
    words = [zoo, photos_dir, out, "--quiet"]

    def refused(folder, text):
        assert jaxanon("push", folder, place) == 2
        assert text in capsys.readouterr().err
        assert not hub.files

    refused(photos_dir, "no run was begun here")
    assert anonymize(*words, "--with-originals") == 0
    refused(out, "report.html shows the originals")
    assert jaxanon("report", out, "--quiet") == 0
    (out / "mine.png").write_bytes(encoded(1))
    refused(out, "mine.png was not made by the run")
    (out / "mine.png").unlink()
    [record, *_] = json.loads((out / "report.json").read_text())["images"]
    before = Path(record["output"]).read_bytes()
    original = read_image(record["input"])
    write_image(record["output"], original, overwrite=True)  # encoded anew
    refused(out, "was changed since it was made")
    Path(record["output"]).unlink()
    refused(out, "is not there; adapt it again")
    Path(record["output"]).write_bytes(before)
    (out / "metadata.jsonl").write_bytes(before)
    refused(out, "metadata.jsonl was not made by the run")
    (out / "metadata.jsonl").unlink()
    (out / "report.json").unlink()
    refused(out, "the run was stopped; go on with --resume first")
    (out / "report.json").write_text("{")
    refused(out, "report.json: cannot be used")
    assert jaxanon("push", out, "s3://bucket/x") == 2
    assert "give hf://datasets/OWNER/NAME" in capsys.readouterr().err
    other = tmp_path / "other"
    assert anonymize_shards(zoo, shards, other, "--shard", "1/2", "--quiet") == 0
    assert jaxanon("report", other, "--quiet") == 1
    refused(other, "train-1.tar is not finished")
    assert anonymize_shards(zoo, shards, other, "--resume", "--quiet") == 0
    (other / "train-1.tar").write_bytes(bytes((other / "train-1.tar").stat().st_size))
    refused(other, "train-1.tar was changed since it was made")
