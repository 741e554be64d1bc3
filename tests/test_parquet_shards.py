"""Parquet shards: tables of images become tables of adapted images."""

import base64
import gc
import json
from contextlib import closing

import numpy as np
import pandas
import pyarrow
import pytest
from pyarrow import parquet
from test_shards import anonymize, encoded, everything, faults

from jaxanon.errors import UsageError
from jaxanon.io.kinds.parquets import ParquetShard

pytestmark = pytest.mark.filterwarnings("default")  # of packages that only tests use
IMAGE = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])


def write_table(path, images, **columns):
    """A table of encoded images (None for one that lies elsewhere), and other columns."""
    rows = [{"bytes": data, "path": f"{i}.png"} for i, data in enumerate(images)]
    arrays = {"image": pyarrow.array(rows, IMAGE), **columns}
    parquet.write_table(pyarrow.table(arrays), path)
    return path


@pytest.fixture
def tables(tmp_path):
    """Two tables as Hugging Face's package writes them, of 130 and 3 rows."""
    from datasets import Dataset, Features, Image, Value  # once the hub's settings are the tests'

    (tmp_path / "in").mkdir()
    features = Features({"image": Image(), "label": Value("int64"), "note": Value("string")})
    found = []
    for number, rows in enumerate((130, 3)):
        images = [{"bytes": encoded(i % 7), "path": f"{i}.png"} for i in range(rows)]
        data = {"image": images, "label": list(range(rows)), "note": [f"n{i}" for i in range(rows)]}
        path = tmp_path / "in" / f"train-{number:05d}-of-00002.parquet"
        Dataset.from_dict(data, features=features).to_parquet(path)
        found.append(path)
    return found


def test_tables_become_tables_that_others_read(zoo, tables, tmp_path, capsys):
    from datasets import Image, load_dataset

    whole, out = tmp_path / "whole", tmp_path / "out"
    assert anonymize(zoo, tables, whole) == 0
    assert "2 shards, 133 images" in capsys.readouterr().out
    assert faults(whole) == []
    for number in (1, 2):
        assert anonymize(zoo, tables, out, "--shard", f"{number}/2", "--quiet") == 0
    assert everything(out) == everything(whole)
    names = sorted(path.name for path in out.glob("*.parquet"))
    assert names == [path.name for path in tables]

    frame = pandas.read_parquet(out / names[0])
    assert list(frame.columns) == ["image", "label", "note", "jaxanon"]
    assert list(frame["label"]) == list(range(130))
    assert json.loads(frame["jaxanon"][5])["status"] == "kept"
    assert frame["image"][5]["path"] == "00000005.png"
    files = [str(out / name) for name in names]
    found = load_dataset("parquet", data_files=files, split="train", cache_dir=tmp_path / "hf")
    assert found.features["image"] == Image()
    assert len(found) == 133
    assert found[131]["image"].size == (52, 40)
    assert found[131]["note"] == "n1"
    before = np.asarray(load_dataset("parquet", data_files=[str(tables[1])], split="train",
                                     cache_dir=tmp_path / "hf")[1]["image"])  # fmt: skip
    assert parquet.read_schema(out / names[0]).metadata.keys() == {b"huggingface"}
    assert (np.asarray(found[131]["image"]) != before).mean() > 0.9
    del found
    gc.collect()


def test_rows_that_are_not_clear_are_left_out_and_named(zoo, tmp_path, capsys):
    good = encoded(1)
    keys = ["good", "a", "elsewhere", "a", "a#1", "../out", None, "broken", "last", "coded"]
    images = [good, good, None, *[good] * 4, good[:99], good, good]
    thumbs = [*["a word"] * 8, None, base64.b64encode(good).decode()]
    table = write_table(tmp_path / "odd.parquet", images, __key__=keys, thumb=thumbs)
    out = tmp_path / "out"
    assert anonymize(zoo, [table], out) == 1
    printed = capsys.readouterr().err
    for text in (
        "row 2 has no bytes in image",
        "a is in the table twice",
        "the name ../out.png could lead out of a folder",
        "row 6 has no __key__",
        "odd.parquet/broken: ",
        "odd.parquet/coded: row 9: thumb has a long code in it, which may be a picture: --drop",
    ):
        assert text in printed
    found = parquet.read_table(out / "odd.parquet")
    assert found["__key__"].to_pylist() == ["good", "a#1", "last"]
    assert faults(out) == []


def test_what_belongs_to_rows_that_are_left_out_is_left_out(zoo, tmp_path):
    told = pyarrow.field("a", pyarrow.int64(), metadata={"orig": "SECRET"})
    who = pyarrow.array(["alice", "bob", "SECRET"]).dictionary_encode()
    columns = {
        "who": who,
        "all": pyarrow.ListArray.from_arrays(pyarrow.array([0, 1, 2, 3], pyarrow.int32()), who),
        "values": pyarrow.array([{"a": 1}, {"a": 2}, None], pyarrow.struct([told])),
        "many": pyarrow.array([[{"a": 1}], [], None], pyarrow.large_list(pyarrow.struct([told]))),
        "few": pyarrow.array([["x"], None, ["y"]], pyarrow.list_(pyarrow.string(), 1)),
        "map": pyarrow.array([[("a", 1)]] * 3, pyarrow.map_(pyarrow.string(), pyarrow.int8())),
    }
    table = write_table(tmp_path / "a.parquet", [encoded(1), encoded(2), b"no picture"], **columns)
    assert b"SECRET" in table.read_bytes()
    out = tmp_path / "out"
    assert anonymize(zoo, [table], out, "--quiet") == 1
    assert b"SECRET" not in (out / "a.parquet").read_bytes()
    found = parquet.read_table(out / "a.parquet")
    assert found["who"].to_pylist() == ["alice", "bob"]
    assert found["all"].to_pylist() == [["alice"], ["bob"]]
    for name in ("values", "many", "few", "map"):
        assert found[name].to_pylist() == columns[name].to_pylist()[:2]
    schema = found.schema
    assert all(not field.metadata for field in (*schema, *schema.field("values").type))
    assert faults(out) == []


def test_tables_whose_images_are_not_clear_are_refused(zoo, tmp_path, capsys):
    rows = pyarrow.array([{"bytes": encoded(1), "path": None}], IMAGE)
    cases = {
        "two": {"other": rows},
        "nested": {"many": pyarrow.array([[rows[0].as_py()]], pyarrow.list_(IMAGE))},
        "bytes": {"thumb": pyarrow.array([encoded(1)])},
        "list": {"thumbs": pyarrow.array([[encoded(1)]])},
        "dictionary": {"thumb": pyarrow.array([encoded(1)]).dictionary_encode()},
        "fixed": {"thumb": pyarrow.array([b"1234"], pyarrow.binary(4))},
        "map": {
            "all": pyarrow.array([[("a", b"1")]], pyarrow.map_(pyarrow.string(), pyarrow.binary()))
        },
        "ours": {"jaxanon": rows},
    }
    for name, columns in cases.items():
        path = write_table(tmp_path / f"{name}.parquet", [encoded(1)], **columns)
        with pytest.raises(UsageError, match="one column of images is needed"):
            ParquetShard(path)
    parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "none.parquet")
    (tmp_path / "no.parquet").write_bytes(b"no table")
    good = write_table(tmp_path / "good.parquet", [encoded(1)])
    shards = [good, tmp_path / "none.parquet", tmp_path / "no.parquet"]
    assert anonymize(zoo, shards, tmp_path / "out") == 1
    printed = capsys.readouterr()
    assert "none.parquet: one column of images is needed" in printed.err
    assert "no.parquet: cannot be read as Parquet" in printed.err
    assert "1 shard, 1 image" in printed.out


def test_an_adapted_table_can_be_adapted_again(zoo, tmp_path):
    table = write_table(tmp_path / "a.parquet", [encoded(1), encoded(2)])
    assert anonymize(zoo, [table], tmp_path / "once", "--quiet") == 0
    assert anonymize(zoo, [tmp_path / "once" / "a.parquet"], tmp_path / "twice", "--quiet") == 0
    found = parquet.read_table(tmp_path / "twice" / "a.parquet")
    assert found.schema.names == ["image", "jaxanon"]
    with closing(ParquetShard(tmp_path / "twice" / "a.parquet")) as shard:
        assert [sample.relative.name for sample in shard] == ["00000000.png", "00000001.png"]
        assert shard.length == len({sample.fingerprint() for sample in shard}) == 2
