"""Folders and lists in slices: bounded memory, one name for each picture, all kinds of output."""

import base64
import csv
import json
import subprocess
import tarfile

import pytest
from test_shards import anonymize, encoded, faults, write_tar

from jaxanon.errors import UsageError
from jaxanon.io.listing.entry import ListEntry
from jaxanon.io.listing.sorting import sorted_lines
from jaxanon.io.listing.writing import listing_lines
from jaxanon.io.sources.lists import entries_of
from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.pipeline.manifest import Manifest


@pytest.fixture
def photos(tmp_path):
    """Five photos in two folders, two of which have the same name up to the suffix."""
    names = ["cat/1.png", "cat/1.jpg", "cat/v2.final.jpg", "dog/1.png", "dog/2.webp"]
    for number, name in enumerate(names):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(number, path.suffix[1:].replace("jpg", "jpeg")))
    return tmp_path / "photos"


ADAPTED = ["cat/1_jpg.png", "cat/1_png.png", "cat/v2.final.png", "dog/1.png", "dog/2.png"]


def pictures(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def files(folder):
    """All that does not depend on when it was made."""
    left = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in left
        if path.stem != "report" and not (path.suffix == ".json" and "manifest" in path.parts)
    }


def test_a_folder_becomes_a_folder_slice_by_slice(zoo, photos, tmp_path, capsys):
    import datasets
    import pandas

    whole, out = tmp_path / "whole", tmp_path / "out"
    assert anonymize(zoo, [photos], whole, "--slice", 2) == 0
    assert "3 shards, 5 images" in capsys.readouterr().out
    assert pictures(whole) == ADAPTED
    for name in sorted(path.name for path in (whole / "lists").glob("*.sha256")):
        check = ["sha256sum", "--check", "--strict", f"lists/{name}"]
        subprocess.run(check, cwd=whole, check=True, stdout=subprocess.DEVNULL)
    for number in (2, 1):
        assert anonymize(zoo, [photos], out, "--slice", 2, "--shard", f"{number}/2") == 0
    assert files(out) == files(whole)
    assert faults(out) == []
    plain = tmp_path / "plain"
    assert anonymize(zoo, [photos], plain) == 0
    assert (plain / "dog" / "2.png").read_bytes() == (out / "dog" / "2.png").read_bytes()

    read = datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "hf"))
    assert read["train"].features["label"].names == ["cat", "dog"]
    assert read["train"]["label"] == [0, 0, 0, 1, 1]
    report = json.loads((out / "report.json").read_text())
    assert [row["output"] for row in report["images"]] == [str(out / name) for name in ADAPTED]
    table = pandas.read_parquet(out / "lists" / "records.parquet")
    assert list(table["output"]) == ADAPTED
    assert set(table["status"]) == {"kept"}

    assert anonymize(zoo, [photos], out, "--slice", 2) == 2
    assert "give --resume" in capsys.readouterr().err
    assert anonymize(zoo, [photos], out, "--slice", 3, "--resume") == 2
    assert "the settings differ: slice" in capsys.readouterr().err
    (photos / "dog" / "3.png").write_bytes(encoded(9))
    (photos / "dog" / "1.png").write_bytes(encoded(8))
    assert anonymize(zoo, [photos], out, "--slice", 2, "--resume", "--quiet") == 0
    assert pictures(out) == ADAPTED, "the run goes by its listing"
    assert (out / "dog" / "1.png").read_bytes() != (whole / "dog" / "1.png").read_bytes()
    (out / "manifest" / "slice-000001.json").unlink()  # as if it had been killed there
    (out / "lists" / "slice-000001.sha256").unlink()
    (photos / "cat" / "1.jpg").unlink()
    assert anonymize(zoo, [photos], out, "--slice", 2, "--overwrite", "--quiet") == 0
    assert faults(out) == []
    assert pictures(out) == ["cat/1.png", *ADAPTED[2:], "dog/3.png"]


def test_what_others_have_written_is_not_replaced(zoo, photos, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.png").write_bytes(b"mine")
    assert anonymize(zoo, [photos], out, "--slice", 2) == 2
    assert "mine.png exists" in capsys.readouterr().err
    assert anonymize(zoo, [photos], photos / "out", "--slice", 2) == 2
    assert "overlap" in capsys.readouterr().err
    assert anonymize(zoo, [tmp_path / "nothing"], tmp_path / "o2", "--slice", 2) == 2
    assert "nothing" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert anonymize(zoo, [tmp_path / "empty"], tmp_path / "o3", "--slice", 2) == 2
    assert "no pictures in" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_list_goes_into_tars_with_its_columns(zoo, photos, tmp_path, capsys):
    import webdataset

    listed = tmp_path / "list.csv"
    with listed.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "note"])
        writer.writerow(["photos/dog/2.webp", "3", "a, b"])
        writer.writerow(["photos/cat/v2.final.jpg", "4", ""])
        writer.writerow(["photos/gone.png", "5", "lost"])
        writer.writerow(["", "6", "no path"])
        writer.writerow(["photos/dog/1.png", "7", base64.b64encode(encoded(3)).decode()])
    out = tmp_path / "out"
    assert anonymize(zoo, [listed], out, "--to", "tar", "--slice", 3) == 1
    err = capsys.readouterr().err
    assert "photos/gone.png" in err
    assert "row 4 has no path" in err
    assert "photos/dog/1.png: note has a long code in it, which may be a picture" in err
    assert faults(out) == []
    shards = sorted(map(str, out.glob("*.tar")))
    assert [name.rpartition("/")[2] for name in shards] == [
        "slice-000000.tar", "slice-000001.tar",
    ]  # fmt: skip
    samples = list(webdataset.WebDataset(shards[:1], shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == ["photos/dog/2", "photos/cat/v2_final"]
    assert samples[0]["json"] == {"label": "3", "note": "a, b"}
    assert samples[0]["jaxanon.json"]["status"] == "kept"
    assert samples[1]["png"].shape == (40, 52, 3)


def test_a_list_goes_into_a_folder_that_datasets_read(zoo, photos, tmp_path):
    import datasets

    lines = [{"file_name": "cat/1.png", "caption": "one"}, {"file_name": "dog/1.png", "n": 2}]
    listed = photos / "metadata.jsonl"
    listed.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    out = tmp_path / "out"
    assert anonymize(zoo, [listed], out, "--quiet") == 0
    read = datasets.load_dataset("imagefolder", data_dir=str(out), cache_dir=str(tmp_path / "hf"))
    assert read["train"]["caption"] == ["one", None]
    assert read["train"]["n"] == [None, 2]
    assert read["train"][0]["image"].size == (52, 40)


def test_kinds_become_each_other(zoo, photos, tmp_path, capsys):
    import datasets
    import pyarrow
    from pyarrow import parquet

    tar = write_tar(
        tmp_path / "a.tar",
        [("x.jpg", encoded(1, "jpeg")), ("x.cls", b"7"), ("y.png", encoded(2)), ("y.cls", b"8")],
    )
    assert anonymize(zoo, [tar], tmp_path / "table", "--to", "parquet", "--quiet") == 0
    table = parquet.read_table(tmp_path / "table" / "a.parquet")
    assert table.column_names == ["__key__", "image", "cls", "jaxanon"]
    assert table["cls"].to_pylist() == [b"7", b"8"]
    made = table["image"].to_pylist()
    assert [image["path"] for image in made] == ["x.png", "y.png"]
    read = datasets.load_dataset(
        "parquet", data_files=str(tmp_path / "table" / "a.parquet"), cache_dir=str(tmp_path / "hf")
    )["train"]
    assert read[0]["image"].size == (52, 40)

    assert anonymize(zoo, [tar], tmp_path / "files", "--to", "folder", "--quiet") == 0
    assert pictures(tmp_path / "files") == ["a/x.png", "a/y.png"]
    assert (tmp_path / "files" / "a" / "y.cls").read_bytes() == b"8"
    assert (tmp_path / "files" / "a" / "y.png").read_bytes() == made[1]["bytes"]

    rows = [
        {"image": {"bytes": encoded(n), "path": f"{n}.png"}, "caption": f"c{n}"} for n in (1, 2)
    ]
    source = tmp_path / "rows.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), source)
    assert anonymize(zoo, [source], tmp_path / "tars", "--to", "tar", "--quiet") == 0
    with tarfile.open(tmp_path / "tars" / "rows.tar") as file:
        assert file.getnames()[:3] == ["00000000.png", "00000000.json", "00000000.jaxanon.json"]
        assert json.load(file.extractfile("00000001.json")) == {"caption": "c2"}
    assert anonymize(zoo, [photos], tmp_path / "t2", "--to", "parquet", "--quiet") == 0
    table = parquet.read_table(tmp_path / "t2" / "slice-000000.parquet")
    assert table["__key__"].to_pylist() == [name.removesuffix(".png") for name in ADAPTED]
    for folder in ("table", "files", "tars", "t2"):
        assert faults(tmp_path / folder) == []
    (tmp_path / "files" / "a" / "y.png").write_bytes(b"other")
    (tmp_path / "files" / "a" / "z.png").write_bytes(b"other")
    assert len(faults(tmp_path / "files")) == 3, "digest, no picture, a stranger"
    assert anonymize(zoo, [tar], tmp_path / "no", "--slice", 3) == 2
    assert "--slice is for pictures" in capsys.readouterr().err


def test_what_datasets_saved_to_disk_becomes_tables(zoo, tmp_path, capsys):
    import datasets

    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    rows = [{"image": {"bytes": encoded(n), "path": None}, "label": n} for n in range(4)]
    saved, out = tmp_path / "saved", tmp_path / "out"
    datasets.Dataset.from_list(rows, features).save_to_disk(str(saved), num_shards=2)
    assert anonymize(zoo, [saved], out, "--quiet") == 0
    assert faults(out) == []
    made = sorted(path.name for path in out.glob("*.parquet"))
    assert made == ["data-00000-of-00002.parquet", "data-00001-of-00002.parquet"]
    read = datasets.load_dataset(
        "parquet", data_files=[str(out / name) for name in made], cache_dir=str(tmp_path / "hf")
    )["train"]
    assert read["label"] == [0, 1, 2, 3]
    assert read[3]["image"].size == (52, 40)
    assert {json.loads(text)["status"] for text in read["jaxanon"]} == {"kept"}
    (tmp_path / "bad.arrow").write_bytes(b"no table")
    assert anonymize(zoo, [tmp_path / "bad.arrow"], tmp_path / "o2") == 1
    assert "bad.arrow: cannot be read as Arrow's stream format" in capsys.readouterr().err


def test_more_lines_than_memory_holds_are_sorted():
    lines = [b"%d\n" % (n * 7919 % 1000) for n in range(1000)]
    assert list(sorted_lines(lines, at_once=64)) == sorted(lines)
    assert list(sorted_lines([])) == []


def named(*names):
    entries = [
        ListEntry(f"/{n}", n, n.rpartition(".")[0], f".{n.rpartition('.')[2]}") for n in names
    ]
    return [ListEntry.read(line).name for line in listing_lines(entries, at_once=2)]


def test_no_two_pictures_get_one_name():
    assert named("b.png", "a.png", "a.jpg") == ["b", "a_png", "a_jpg"]
    assert named("A.png", "a.png", "c.png") == ["A_png", "a_png-2", "c"]
    assert named("v.1.png", "v_1.png") == ["v.1_png", "v_1_png-2"]
    with pytest.raises(UsageError, match="rename one"):
        named("a.png", "a.jpg", "a_png.gif")


def test_lists_that_cannot_be_read_say_where(tmp_path):
    def fails(name, text, match):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(UsageError, match=match):
            list(entries_of(path))

    fails("a.csv", "name,label\nx,1\n", "row 1 has neither of the columns")
    fails("a.csv", "path,label\nx\n", "row 1 has more or fewer cells")
    fails("b.jsonl", '{"path": "x"}\n\n[1, 2]\n', "line 3 is no JSON object")
    fails("b.jsonl", '{"path": "x"}\n{"file_name": "y"}\n', "row 2 has file_name")
    fails("b.jsonl", '{"path": "x", "file_name": "y"}\n', "file_name and path")
    (tmp_path / "c.csv").write_bytes(b"path\n\xff\xfe\n")
    with pytest.raises(UsageError, match=r"c\.csv: cannot be read as a list"):
        list(entries_of(tmp_path / "c.csv"))


def test_places_of_a_list_are_relative_to_it_and_stay_below_the_output(tmp_path):
    path = tmp_path / "l.jsonl"
    given = ["a/b.jpg", "../../up.jpg", "/abs/c.png", "s3://bucket/d/e.png", "nosuffix"]
    path.write_text("".join(f"{json.dumps({'path': name})}\n" for name in given))
    found = list(entries_of(path))
    assert [each.name for each in found] == ["a/b", "up", "c", "e", "nosuffix"]
    assert found[0].place == str(tmp_path / "a" / "b.jpg")
    assert found[3].place == "s3://bucket/d/e.png"


def test_a_slice_reads_its_own_lines_alone(tmp_path):
    from jaxanon.io.slices import slices_of

    store = FolderStore(tmp_path)
    entries = (ListEntry(f"/p/{n}.png", f"p/{n}.png", f"p/{n}", ".png") for n in range(1000))
    store.write("l.jsonl", b"".join(listing_lines(entries, at_once=100)))
    store.write("lists/given.json", b'{"columns": {"n": "int64"}}')
    found = slices_of(store, tmp_path, "l.jsonl", 300, ".tar")
    assert [(each.name, each.length) for each in found] == [
        (f"slice-{n:06d}.tar", length) for n, length in enumerate((300, 300, 300, 100))
    ]
    with found[3].open() as shard:
        assert shard.columns == {"n": "int64"}
        assert [sample.key for sample in shard.samples] == [f"p/{n}" for n in range(900, 1000)]
    assert Manifest(store).known() == set()
