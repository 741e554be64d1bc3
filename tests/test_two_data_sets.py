"""One output folder, and inputs that are not those of before: nothing is taken for something else.

Other shards of the same names, outputs that were removed, processes that were given different
inputs, lists that were edited, refused runs.
"""

import json
import os

import pytest
from command_line import jaxanon
from test_shards import anonymize, encoded, everything, faults, shards, write_tar  # noqa: F401

from jaxanon.io.durable import hold, is_held, left_parts_of, unique_part
from jaxanon.io.kinds.tars import TarShard
from jaxanon.io.shard_kinds import open_shard


@pytest.mark.parametrize("same", [True, False])
def test_another_shard_of_that_name_replaces_none(zoo, shards, tmp_path, capsys, same):  # noqa: F811
    out = tmp_path / "out"
    (tmp_path / "other").mkdir()
    assert anonymize(zoo, shards[:1], out, "--quiet") == 0
    before = everything(out)
    other = tmp_path / "other" / shards[0].name
    other.write_bytes(shards[0].read_bytes() if same else shards[1].read_bytes())
    state = shards[0].stat()
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert anonymize(zoo, [other], out, "--resume") == 1
    said = capsys.readouterr().err
    assert f"train-0.tar was made of {shards[0]}, which it would replace" in said
    assert everything(out) == before
    linked = tmp_path / "linked"
    linked.symlink_to(shards[0].parent)
    assert anonymize(zoo, [linked / shards[0].name], out, "--resume") == 0, "the same file"
    assert anonymize(zoo, [other], out, "--overwrite", "--quiet") == 0
    assert ((out / "train-0.tar").read_bytes() == before["train-0.tar"]) == same


def test_pictures_that_were_removed_are_made_again(zoo, shards, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "out"
    assert anonymize(zoo, shards[:1], out, "--to", "folder", "--quiet") == 0
    gone = out / "train-0" / "part" / "01.png"
    before = gone.read_bytes()
    gone.unlink()
    assert anonymize(zoo, shards[:1], out, "--to", "folder", "--resume") == 0
    assert f"{gone}: is gone; {shards[0]} is adapted again" in capsys.readouterr().err
    assert gone.read_bytes() == before
    assert faults(out) == []


def test_a_shard_that_falls_to_nobody_is_named(zoo, shards, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "out"
    assert anonymize(zoo, shards[:2], out, "--shard", "1/2", "--quiet") == 0
    assert anonymize(zoo, shards[2:], out, "--shard", "2/2") == 2
    said = capsys.readouterr().err
    assert "the run has " in said
    assert "all processes of --shard must be given the same" in said
    assert anonymize(zoo, shards, out, "--shard", "2/2", "--quiet") == 0
    assert jaxanon("report", out) == 1
    assert "not finished: 1 shard (train-2.tar); --resume goes on" in capsys.readouterr().out
    assert json.loads((out / "report.json").read_text())["summary"]["unfinished"] == 1
    assert "1 of its shards or slices are not finished" in (out / "report.html").read_text()
    assert anonymize(zoo, shards, out, "--resume", "--quiet") == 0
    assert faults(out) == []


def test_a_process_whose_images_failed_says_so(zoo, shards, tmp_path):  # noqa: F811
    write_tar(shards[0], [("a.jpg", b"no picture"), ("b.png", encoded(1))])
    assert anonymize(zoo, shards, tmp_path / "out", "--shard", "1/2", "--quiet") == 1
    assert anonymize(zoo, shards, tmp_path / "out", "--shard", "2/2", "--quiet") == 1


def test_a_list_that_was_edited_is_not_taken_for_the_old_one(zoo, photos_dir, tmp_path, capsys):
    names = sorted(path.name for path in photos_dir.iterdir())[:3]
    listed, out = photos_dir / "list.csv", tmp_path / "out"
    listed.write_text("\n".join(["path", *names[:2]]))
    assert anonymize(zoo, [listed], out, "--quiet") == 0
    assert anonymize(zoo, [listed], out, "--resume", "--quiet") == 0
    listed.write_text("\n".join(["path", *names]))
    assert anonymize(zoo, [listed], out, "--resume") == 2
    assert "list.csv: was changed since the run" in capsys.readouterr().err


def test_a_run_that_is_refused_leaves_no_listing(zoo, photos_dir, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").touch()
    assert anonymize(zoo, [photos_dir], out, "--shard", "1/2") == 2
    assert "notes.txt exists" in capsys.readouterr().err
    assert not list((out / "lists").glob("*"))


def test_saved_data_sets_are_not_doubled_by_their_cache(zoo, tmp_path, capsys):
    import datasets

    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = [{"image": {"bytes": encoded(n), "path": None}, "label": n} for n in range(2)]
    saved, out = tmp_path / "saved", tmp_path / "out"
    datasets.Dataset.from_list(rows, features).save_to_disk(str(saved))
    datasets.load_from_disk(str(saved)).map(lambda row: {"label": row["label"] + 1})
    assert list(saved.glob("cache-*.arrow"))
    assert anonymize(zoo, [saved], out) == 0
    assert "1 shard, 2 images" in capsys.readouterr().out
    (saved / "data-00000-of-00001.arrow").unlink()
    assert anonymize(zoo, [saved], tmp_path / "no") == 2
    assert "names data-00000-of-00001.arrow, which is not there" in capsys.readouterr().err


@pytest.mark.parametrize("more", [[], ["--slice", 2]])
def test_shards_below_folders_are_said_to_be_there(zoo, shards, tmp_path, capsys, more):  # noqa: F811
    data = tmp_path / "data"
    data.mkdir()
    train = shards[0].parent.rename(data / "train")
    assert anonymize(zoo, [data], tmp_path / "out", *more) == 2
    said = capsys.readouterr().err
    assert "no pictures in" in said
    assert f"given, such as {train}" in said


def test_files_of_living_processes_stay(tmp_path):
    path = tmp_path / "a.tar"
    mine, dead = unique_part(path), unique_part(path)
    dead.touch()
    with mine.open("xb") as file:
        hold(file)
        assert is_held(mine) is True
        assert left_parts_of(path) == [dead]
    assert is_held(mine) is False
    assert is_held(tmp_path / "gone") is False
    assert is_held(tmp_path) is None, "cannot be told: stays"


def test_what_is_dropped_is_not_there(zoo, tmp_path, capsys):
    members = [("a.png", encoded(1)), ("a.seg.png", encoded(2)), ("a.cls", b"1")]
    tar, out = write_tar(tmp_path / "t.tar", members), tmp_path / "out"
    assert anonymize(zoo, [tar], out) == 1
    assert "the sample has 2 pictures" in capsys.readouterr().err
    assert anonymize(zoo, [tar], out, "--drop", "seg.png", "--resume") == 2
    assert "the settings differ: drop" in capsys.readouterr().err
    assert anonymize(zoo, [tar], out, "--drop", "seg.png", "--drop", "x", "--overwrite") == 0
    assert "t.tar: has no x to drop" in capsys.readouterr().err
    [sample] = TarShard(out / "t.tar").samples
    assert [member.name for member in sample.members] == ["a.png", "a.cls", "a.jaxanon.json"]
    listed = tmp_path / "list.jsonl"
    (tmp_path / "a.png").write_bytes(encoded(1))
    listed.write_text(json.dumps({"path": "a.png", "clip": [0.5] * 800, "n": 1}))
    table = tmp_path / "table"
    assert anonymize(zoo, [listed], table, "--to", "parquet") == 1
    assert "has a long row of numbers" in capsys.readouterr().err
    assert anonymize(zoo, [listed], table, "--to", "parquet", "--drop", "clap") == 2
    assert "the settings differ" not in capsys.readouterr().err
    more = ["--to", "parquet", "--drop", "clip", "--overwrite", "--quiet"]
    assert anonymize(zoo, [listed], table, *more) == 0
    again = tmp_path / "again"
    assert anonymize(zoo, [table], again, "--drop", "n", "--quiet") == 0
    schema = open_shard(again / "slice-000000.parquet", "").schema
    assert schema.names == ["__key__", "image", "jaxanon"]
    assert anonymize(zoo, [tmp_path / "a.png"], tmp_path / "no", "--drop", "n") == 2
    assert "--drop n is for members of shards" in capsys.readouterr().err


def test_the_check_says_what_is_gone(zoo, shards, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    write_tar(shards[0], [(".jpg", encoded(1, "jpeg")), ("b.png", encoded(1))])
    assert anonymize(zoo, shards, out, "--quiet") == 1
    assert faults(out) == []
    (out / "manifest" / "train-0.tar.jsonl").unlink()
    (out / "train-1.tar").unlink()
    (out / "train-2.tar").write_bytes(b"short")
    found = "\n".join(faults(out))
    assert "train-0.tar: cannot be read" in found
    assert "train-1.tar: cannot be read" in found
    assert "train-2.tar: digest" in found
    assert "train-2.tar: it, or its input" in found


def test_options_are_not_abbreviated(tmp_path, capsys):
    with pytest.raises(SystemExit):
        jaxanon("anonymize", tmp_path, "-o", tmp_path / "out", "--slic", 3)
    assert "near matches: --slice" in capsys.readouterr().err
    assert jaxanon("anonymize", tmp_path, "-o", tmp_path / "o", "--devices-per-worker", 2) == 2
    assert "--devices-per-worker and --platform go with --engine ray" in capsys.readouterr().err
