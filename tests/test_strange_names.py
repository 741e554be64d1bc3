"""Names and places that could lead elsewhere, replace what is not ours, or say where things lay."""

import json
import os

import numpy as np
import pytest
from test_shards import anonymize, encoded, faults, write_tar

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.arrow import has_bytes
from jaxanon.io.slices import LISTING, possible_files
from jaxanon.io.sources.lists import entries_of
from jaxanon.io.sources.urls import entries_below
from jaxanon.io.stores import open_store, patience
from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.io.urls import Url, place


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_bytes(encoded(number))
    return folder


@pytest.fixture
def memory():
    """An object store in this process."""
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


def test_nothing_is_written_or_removed_outside_the_output(zoo, tmp_path, capsys):
    store = FolderStore(tmp_path / "out")
    for name in ("../x", "/x", "a/../../x"):
        with pytest.raises(ImageError, match="leads out of the output folder"):
            store.write(name, b"")
        with pytest.raises(ImageError, match="leads out"):
            store.remove(name)
    for name in ("...tar", "manifest.tar", "Lists.tar", "v1.tar.tar"):
        tar = write_tar(tmp_path / name, [("x.png", encoded(1)), ("x.json", b"{}")])
        assert anonymize(zoo, [tar], tmp_path / "o", "--to", "folder") == 2
        assert "rename the shard" in capsys.readouterr().err
    line = json.dumps({"name": "../evil"}).encode()
    store.write(LISTING, line + b"\n[]\n" + json.dumps({"name": "good"}).encode() + b"\n")
    assert list(possible_files(store, [".png"])) == ["good.png"]


def test_an_original_is_never_replaced(zoo, photos, memory, tmp_path, capsys):
    lists = tmp_path / "lists2"
    lists.mkdir()
    (lists / "l.jsonl").write_text(json.dumps({"path": "../photos/1.png"}))
    before = (photos / "1.png").read_bytes()
    assert anonymize(zoo, [lists / "l.jsonl"], tmp_path, "--overwrite") == 1
    assert "photos/1.png would be replaced" in capsys.readouterr().err
    assert (photos / "1.png").read_bytes() == before
    memory.pipe_file("/in/a.tar", b"x")
    for given, output in (("in/a.tar", "in"), ("in", "in/out"), ("in/a", "in"), ("in", "in")):
        words = [f"memory://{given}"], f"memory://{output}", "--overwrite"
        assert anonymize(zoo, *words) == 2
        assert "overlap" in capsys.readouterr().err


def test_a_run_goes_on_with_its_own_inputs_alone(zoo, photos, tmp_path, capsys):
    out, other = tmp_path / "out", tmp_path / "other"
    other.mkdir()
    (other / "9.png").write_bytes(encoded(9))
    assert anonymize(zoo, [photos], out, "--slice", 2, "--quiet") == 0
    assert anonymize(zoo, [other], out, "--slice", 2, "--resume") == 2
    assert f"lists {photos}, not {other}" in capsys.readouterr().err
    (tmp_path / "bad.csv").write_text("name\nx\n")
    assert anonymize(zoo, [tmp_path / "bad.csv"], out, "--overwrite") == 2
    assert faults(out) == [], "the old run is as it was"
    assert anonymize(zoo, [photos, photos / "1.png"], tmp_path / "o2", "--slice", 2) == 2
    assert "1.png is given twice" in capsys.readouterr().err
    assert anonymize(zoo, [other], tmp_path / "o3", "--slice", 2, "--strength", -1) == 2
    assert anonymize(zoo, [photos], tmp_path / "o3", "--slice", 2, "--quiet") == 0
    assert len(list((tmp_path / "o3").rglob("*.png"))) == 3, "not the listing of what never began"


def test_files_of_others_stay(zoo, photos, tmp_path, capsys):
    tar = write_tar(tmp_path / "a.tar", [("x.png", encoded(1))])
    for name in ("a/x.png", "metadata.jsonl", "lists/records.parquet", "lists/mine.txt"):
        out = tmp_path / name.replace("/", "-")
        (out / name).parent.mkdir(parents=True)
        (out / name).write_bytes(b"mine")
        assert anonymize(zoo, [tar], out, "--to", "folder") == 2
        assert f"{name} exists" in capsys.readouterr().err
    out = tmp_path / "lists-mine.txt"
    (out / "metadata.jsonl").write_bytes(b"mine")
    assert anonymize(zoo, [tar], out, "--overwrite", "--quiet") == 0
    assert (out / "lists" / "mine.txt").read_bytes() == b"mine"
    assert (out / "metadata.jsonl").read_bytes() == b"mine"


def test_a_picture_that_fails_now_leaves_no_older_one(zoo, photos, tmp_path):
    out = tmp_path / "out"
    assert anonymize(zoo, [photos], out, "--slice", 2, "--quiet") == 0
    (photos / "1.png").write_bytes(b"no picture")
    assert anonymize(zoo, [photos], out, "--slice", 2, "--resume", "--quiet") == 1
    assert sorted(path.name for path in out.rglob("*.png")) == ["0.png", "2.png"]
    assert faults(out) == []


def test_two_samples_are_not_one_file(zoo, tmp_path, capsys):
    tar = write_tar(tmp_path / "a.tar", [("./x.png", encoded(1)), ("x.png", encoded(2))])
    assert anonymize(zoo, [tar], tmp_path / "out", "--to", "folder") == 1
    assert "two samples would be this one file" in capsys.readouterr().err


def test_values_stay_with_their_pictures(zoo, photos, tmp_path):
    import datasets
    import pyarrow
    from pyarrow import parquet

    rows = [
        {"image": {"bytes": encoded(n), "path": None}, "file_name": f"old{n}", "n": n}
        for n in (1, 2)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "rows.parquet")
    assert anonymize(
        zoo, [tmp_path / "rows.parquet"], tmp_path / "out", "--to", "folder", "--quiet"
    ) == 0  # fmt: skip
    listed = tmp_path / "l.jsonl"
    lines = [{"path": "photos/0.png", "n": 1}, {"path": "photos/1.png"}, {"path": "photos/2.png"}]
    lines[1]["n"] = "two"
    listed.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert anonymize(zoo, [listed], tmp_path / "listed", "--slice", 1, "--quiet") == 0
    for folder, n in (("out", [1, 2]), ("listed", None)):
        text = (tmp_path / folder / "metadata.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in text]
        assert all((tmp_path / folder / each["file_name"]).exists() for each in told)
        if n:
            read = datasets.load_dataset(
                "imagefolder", data_dir=str(tmp_path / folder), cache_dir=str(tmp_path / "hf")
            )["train"]
            assert read["n"] == n
        else:
            assert len(told) == 3, "also what carries nothing"
    assert anonymize(zoo, [listed], tmp_path / "t", "--to", "parquet", "--quiet") == 0
    table = parquet.read_table(tmp_path / "t" / "slice-000000.parquet")
    assert table["n"].to_pylist() == ["1", "two", None]
    lines = [{"path": "photos/0.png", "n": 1}, {"path": "photos/1.png", "n": 0.5, "m": [1]}]
    listed.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    words = "--to", "parquet", "--slice", 1, "--quiet"
    assert anonymize(zoo, [listed], tmp_path / "alike", *words) == 0
    files = sorted(map(str, (tmp_path / "alike").glob("*.parquet")))
    read = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "hf"))
    assert read["train"]["n"] == [1.0, 0.5]
    assert read["train"]["m"] == [None, "[1]"]
    assert read["train"][0]["image"].size == (52, 40)


def test_names_that_cannot_be_encoded_cost_themselves(zoo, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    names = [b"\xff.png", b"a\tb.png", b"c\nd.png", b"good.png"]
    for name in names:
        (folder / os.fsdecode(name)).write_bytes(encoded(1))
    out = tmp_path / "out"
    assert anonymize(zoo, [folder], out, "--slice", 9) == 1
    err = capsys.readouterr().err
    assert err.count("error: ") == 3
    assert [path.name for path in out.rglob("*.png")] == ["good.png"]
    assert (out / "lists" / "records.parquet").exists()
    assert anonymize(zoo, [folder], out, "--slice", 9, "--overwrite", "--quiet") == 1
    tar = write_tar(tmp_path / "t.tar", [("a\udcff.png", encoded(1)), ("b.png", encoded(2))])
    assert anonymize(zoo, [tar], tmp_path / "o2", "--quiet") == 1
    assert (tmp_path / "o2" / "report.json").exists()


def test_listing_a_server_loses_nothing(zoo, memory, tmp_path, monkeypatch, capsys):
    for name in ("/ph/a.png", "/ph/sub/b.png", "/ph/bad/c.png", "/ph/.trash/d.png", "/ph/e.txt"):
        memory.pipe_file(name, encoded(1))
    real = type(memory).ls

    def ls(self, path, detail=True, **named):
        if path.rstrip("/").endswith("bad"):
            raise PermissionError("no access")
        found = real(self, path, detail=detail, **named)
        marker = {"name": f"{path.rstrip('/')}/", "size": 0, "type": "file"}
        return [*found, marker] if detail else found

    monkeypatch.setattr(type(memory), "ls", ls)
    found = list(entries_below(Url("memory://ph")))
    assert [(each.name, each.trouble is None) for each in found] == [
        ("a", True), ("bad", False), ("sub/b", True),
    ]  # fmt: skip
    assert "no access" in found[1].trouble
    memory.pipe_file("/ph/x.tar", b"")
    assert anonymize(zoo, ["memory://ph"], tmp_path / "out") == 2
    assert "holds shards (x.tar) and pictures (a.png)" in capsys.readouterr().err


def test_a_server_is_asked_again_only_where_that_may_help():
    asked = []

    def ask(error):
        asked.append(error)
        raise error

    class StatusError(Exception):
        status = 403

    with pytest.raises(KeyboardInterrupt):
        patience.patiently(Url("s3://x/y"), ask, KeyboardInterrupt())
    for error in (StatusError("forbidden"), OSError(28, "No space left on device")):
        with pytest.raises(ImageError, match="s3://x/y"):
            patience.patiently(Url("s3://x/y"), ask, error)
    assert len(asked) == 3


def test_urls_are_taken_apart_as_servers_mean_them():
    url = Url("https://host/folder/a.tar?sig=a/b.c")
    assert (url.name, url.suffix) == ("a.tar", ".tar")
    with pytest.raises(ValueError, match="names nothing"):
        place("s3://")
    assert str(place("s3://bucket/")) == "s3://bucket"
    with pytest.raises(UsageError, match="cannot be used"):
        open_store(Url("nosuch://bucket"))


def test_a_list_does_not_say_where_its_pictures_lay(tmp_path):
    listed = tmp_path / "l.jsonl"
    inside = tmp_path / "ward" / "x.png"
    lines = [{"path": str(inside)}, {"path": "/secret/patients/y.png"}, {"path": "s3://b/c/z.png"}]
    listed.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert [each.name for each in entries_of(listed)] == ["ward/x", "y", "z"]


def test_columns_that_may_be_pixels_count_as_bytes():
    import pyarrow

    pixels = pyarrow.array(np.zeros((2, 3), np.uint8).tolist(), pyarrow.list_(pyarrow.uint8()))
    assert has_bytes(pixels.type)
    assert has_bytes(pyarrow.list_(pyarrow.list_(pyarrow.float32())))
    assert has_bytes(pyarrow.struct({"a": pyarrow.list_(pyarrow.int8(), 4)}))
    assert not has_bytes(pyarrow.list_(pyarrow.float32()))
    assert not has_bytes(pyarrow.list_(pyarrow.string()))
