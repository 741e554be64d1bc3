"""Runs over shards: what goes in as tars comes out as tars, each whole or not at all."""

import base64
import gc
import io
import json
import subprocess
import tarfile
from contextlib import ExitStack, suppress

import check_run
import numpy as np
import pytest
from command_line import jaxanon, with_tinies
from PIL import Image
from samples import picture

from jaxanon.classifiers import registry
from jaxanon.cli import shard_run
from jaxanon.errors import ImageError, UsageError
from jaxanon.io.durable import unique_part
from jaxanon.io.kinds.tars import TarShard
from jaxanon.io.pictures import refuse_hidden_pictures
from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.io.work import ShardFile
from jaxanon.pipeline import shard as shard_module
from jaxanon.pipeline.manifest import Manifest


def encoded(seed, form="png"):
    buffer = io.BytesIO()
    Image.fromarray(picture(seed, 40, 52)).save(buffer, form)
    return buffer.getvalue()


def write_tar(path, members):
    """A tar of (name, bytes), or None for a link."""
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            if data is not None:
                info.size = len(data)
                info.mtime = 1_700_000_000
                tar.addfile(info, io.BytesIO(data))
            else:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(info)
    return path


@pytest.fixture
def shards(tmp_path):
    """Three shards of three samples."""
    (tmp_path / "in").mkdir()
    found = []
    for s in range(3):
        members = []
        for i in range(3):
            key, number = f"part/{s}{i}", 3 * s + i
            members += [(f"{key}.jpg", encoded(number, "jpeg")), (f"{key}.cls", b"%d" % number)]
            members.append((f"{key}.meta.json", b'{"number": %d}' % number))
        found.append(write_tar(tmp_path / "in" / f"train-{s}.tar", members))
    return found


def anonymize(zoo, shards, out, *more):
    sources = ["--sources", ",".join(zoo[:2]), "--targets", zoo[2]]
    loop = ["--eps", 40, "--steps", 40, *([] if "isr" in more else ["--strength", 10])]
    return jaxanon("anonymize", *shards, "-o", out, *sources, *loop, *more)


def everything(folder):
    """All that does not depend on when it was made: shards and records."""
    paths = [
        *folder.glob("*.tar"),
        *folder.glob("*.parquet"),
        *(folder / "manifest").glob("*.jsonl"),
    ]
    return {path.name: path.read_bytes() for path in paths}


def faults(folder):
    return list(check_run.check(folder, None, check_run.Counter()))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_become_shards_of_the_same_names(zoo, shards, tmp_path, capsys):
    import webdataset

    out = tmp_path / "out"
    assert anonymize(zoo, shards, out) == 0
    assert "3 shards, 9 images" in capsys.readouterr().out
    assert faults(out) == []
    urls = [str(path) for path in sorted(out.glob("*.tar"))]
    assert [path.name for path in sorted(out.glob("*.tar"))] == [path.name for path in shards]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [
        f"part/{s}{i}" for s in range(3) for i in range(3)
    ]
    report = json.loads((out / "report.json").read_text())
    assert report["summary"]["images"] == report["summary"]["done"] == 9
    assert report["guarantee"]["bits"] > 0
    names = [each["name"] for each in report["classifiers"]]
    for number, (sample, row) in enumerate(zip(samples, report["images"], strict=True)):
        assert sample["cls"] == number
        assert sample["meta.json"] == {"number": number}
        assert sample["png"].shape == (40, 52, 3)
        assert "jpg" not in sample, "the original"
        assert sample["jaxanon.json"]["decisions"] == row["decisions"]
        assert str(tmp_path) not in json.dumps(sample["jaxanon.json"])
        assert row["output"] == str(out / f"train-{number // 3}.tar" / f"{sample['__key__']}.png")
        assert set(row["decisions"]) == set(names)
        assert row["status"] == "kept"
    del samples
    gc.collect()  # the package leaves files open


def test_workers_kills_and_resumption_change_no_byte(zoo, shards, tmp_path, monkeypatch, capsys):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert anonymize(zoo, shards, whole, "--quiet") == 0
    real, finished = shard_module._keep, []

    def keep(outcome):
        if len(finished) == 4:
            raise KeyboardInterrupt
        finished.append(outcome)
        return real(outcome)

    monkeypatch.setattr(shard_module, "_keep", keep)
    assert anonymize(zoo, shards, out) == 130
    assert [path.name for path in out.glob("*.tar")] == ["train-0.tar"]
    assert "train-1.tar: not finished" in faults(out)
    assert not list(out.rglob("*.part"))
    monkeypatch.undo()
    monkeypatch.setattr(registry, "ENTRIES", with_tinies())

    assert jaxanon("report", out) == 1
    said = capsys.readouterr().out
    assert "1 shard, 3 images" in said
    assert "not finished: 2 shards (train-1.tar to train-2.tar)" in said
    assert anonymize(zoo, shards, out) == 2
    assert "--resume" in capsys.readouterr().err
    assert anonymize(zoo, shards, out, "--resume", "--seed", 5) == 2
    assert "the settings differ: seed" in capsys.readouterr().err
    unique_part(out / "train-1.tar").write_bytes(b"half")
    before = (out / "train-0.tar").stat().st_mtime_ns
    for number in (2, 1):
        assert anonymize(zoo, shards, out, "--resume", "--shard", f"{number}/2", "--quiet") == 0
    assert (out / "train-0.tar").stat().st_mtime_ns == before, "it was finished"
    assert everything(out) == everything(whole)
    assert faults(out) == []
    write_tar(shards[2], [("a.png", encoded(77))])
    assert anonymize(zoo, shards, out, "--resume", "--quiet") == 0
    assert Manifest(FolderStore(out)).done("train-2.tar").images == 1, "another file of that name"


def test_what_is_not_clear_in_a_shard_is_left_out_and_named(zoo, tmp_path, capsys):
    good = encoded(1)
    members = [
        ("good.png", good),
        ("good.txt", b"BM is how a bitmap begins, P6, a pixmap"),
        ("README", b"of no sample"),
        ("two.png", good),
        ("two.seg.jpg", encoded(2, "jpeg")),
        ("disguised.png", good),
        ("disguised.bin", encoded(3, "webp")),
        ("ppm.png", good),
        ("ppm.bin", b"P6 1 1 255 abc"),
        ("array.png", good),
        ("array.bin", b"\x93NUMPY\x01\0 and so on"),
        ("code.png", good),
        ("code.json", json.dumps({"thumb": base64.b64encode(good).decode()}).encode()),
        ("escape.png", good),
        ("escape.te\x1b]0;xt", b"1"),
        ("nodot", good),
        ("none.cls", b"1"),
        ("twice.png", good),
        ("twice.png", encoded(4)),
        ("../out.png", good),
        ("/etc/root.png", good),
        ("line\nbreak.png", good),
        ("link.png", None),
        ("broken.png", good[:200]),
        ("again.png", encoded(5)),
        ("good.cls", b"7"),
    ]
    shard, out = write_tar(tmp_path / "odd.tar", members), tmp_path / "out"
    assert anonymize(zoo, [shard], out) == 1
    printed = capsys.readouterr().err
    for text in (
        "has 2 pictures, two.png, two.seg.jpg",
        "has 2 pictures, disguised.png, disguised.bin",
        "the sample none has no picture",
        "twice.png is in the tar twice",
        "has 2 pictures, ppm.png, ppm.bin",
        "has 2 pictures, array.png, array.bin",
        "odd.tar/code.png: code.json has a long code in it, which may be a picture: --drop it",
        "the name escape.te\\x1b]0;xt could lead",
        "the picture nodot has no suffix",
        "../out could lead out of a folder",
        "/etc/root could lead out of a folder",
        "the name line\\nbreak could lead out of a folder, or commands a terminal",
        "link.png is a link or special file",
        "odd.tar/broken.png: ",
    ):
        assert text in printed
    with tarfile.open(out / "odd.tar") as tar:
        names = tar.getnames()
    assert names == [
        "good.png", "good.txt", "good.cls", "good.jaxanon.json", "again.png", "again.jaxanon.json",
    ]  # fmt: skip
    assert not list(tmp_path.rglob("out.png"))
    assert json.loads((out / "report.json").read_text())["summary"]["failed"] == 14
    assert faults(out) == []


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        (encoded(3).ljust(300)[1:], "is no text"),
        (bytes(3 * 16 * 16), "is no text"),
        (base64.b64encode(encoded(3)), "has a long code in it"),
        (json.dumps({"a": base64.b64encode(encoded(3)).decode()}).encode(), "has a long code"),
        (base64.encodebytes(encoded(3)), "has a long code in it"),
        (json.dumps(base64.encodebytes(encoded(3)).decode()).encode(), "has a long code in it"),
        (encoded(3).hex().encode(), "has a long code in it"),
        (json.dumps(base64.encodebytes(encoded(3)).decode().split()).encode(), "has a long code"),
        (";".join(["12"] * 800).encode(), "has a long row of numbers"),
        (b"<img src='data:image/gif;base64,R0lGODdh'>".ljust(300), "has a data URL in it"),
        (json.dumps(np.full((16, 16, 3), 255).tolist()).encode(), "has a long row of numbers"),
        (json.dumps(np.linspace(-2, 2, 800).tolist()).encode(), "has a long row of numbers"),
        (json.dumps([str(n % 256) for n in range(800)]).encode(), "has a long row of numbers"),
        (json.dumps([{"r": 1, "g": 2, "b": 3}] * 256).encode(), "has a long row of numbers"),
        (b"%FF%D8%FF" * 50, "has a long code in it"),
    ],
)
def test_what_stands_beside_a_picture_is_no_picture(beside, words):
    with pytest.raises(ImageError, match=f"a.txt {words}.*, which may be a picture: --drop it"):
        refuse_hidden_pictures({"a.txt": beside})
    if words != "is no text":
        with pytest.raises(ImageError, match=words):
            refuse_hidden_pictures({"a.txt": [{"b": beside.decode()}]})


@pytest.mark.parametrize(
    "beside",
    [
        b"\x07" * 200,
        "\u4e00\u4e8c\u4e09 eine Bildunterschrift, 12 \u00c4pfel ".encode() * 100,
        json.dumps(["\u4e00\u4e8c\u4e09" * 200]).encode(),
        json.dumps([[x + 0.5, 3 * x] for x in range(1000)]).encode(),
        json.dumps([*[12] * 700, 256] * 100).encode(),  # looked at once, not in all ways
        ("ab1" * 80 + " ").encode() * 3,
        "\n".join(f"n{i:08d}" for i in range(1000)).encode(),
        b"-" * 1000,
        b"- " * 1000,
        json.dumps([{"box": [1, 2, 3, 4], "label": "cat"}] * 300).encode(),
        ("https://ru.wikipedia.org/wiki/" + "%D0%BF" * 60).encode(),
        ["\u4e00\u4e8c\u4e09" * 200, {"box": [1, 2, 3, 4]}, 7, None, 0.5, "https://a.b/c1/" * 30],
    ],
)
def test_captions_boxes_and_numbers_pass(beside):
    refuse_hidden_pictures({"a.txt": beside})


def headers(path):
    with tarfile.open(path) as tar:
        return [info.offset for info in tar]


@pytest.mark.parametrize("damage", ["short", "between", "zeros", "flipped", "joined"])
def test_a_damaged_shard_fails_alone(zoo, shards, tmp_path, capsys, damage):
    data, middle = bytearray(shards[1].read_bytes()), headers(shards[1])[4]
    if damage == "short":
        del data[2000:]
    elif damage == "between":
        del data[middle:]
    elif damage == "zeros":
        data[middle : middle + 512] = bytes(512)
    elif damage == "flipped":
        data[middle + 150] ^= 1  # of the checksum
    else:
        data += shards[0].read_bytes()
    shards[1].write_bytes(data)
    out = tmp_path / "out"
    assert anonymize(zoo, shards, out) == 1
    assert sorted(path.name for path in out.glob("*.tar")) == ["train-0.tar", "train-2.tar"]
    assert "train-1.tar" in capsys.readouterr().err
    assert "train-1.tar: not finished" in faults(out)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 96 kB, and what gives it more room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    grow = ["mount", "-o", "remount,size=20m", folder]
    try:
        yield folder, lambda: subprocess.run(grow, check=True)
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_costs_the_shards_that_do_not_fit(zoo, shards, tmp_path, small_disk, capsys):
    folder, grow = small_disk
    whole, out = tmp_path / "whole", folder / "out"
    assert anonymize(zoo, shards, whole, "--quiet") == 0
    assert anonymize(zoo, shards, out) == 1
    assert "No space left on device" in capsys.readouterr().err
    finished = [done.shard for done in Manifest(FolderStore(out)).shards()]
    assert 0 < len(finished) < 3
    assert not list(out.rglob("*.part"))
    grow()
    assert anonymize(zoo, shards, out, "--resume") == 0
    assert everything(out) == everything(whole)
    assert faults(out) == []


def test_the_check_finds_what_is_wrong(zoo, shards, tmp_path):
    out = tmp_path / "out"
    assert anonymize(zoo, shards, out, "--quiet") == 0
    (out / "train-9.tar").write_bytes(b"")
    (out / ".x.part").write_bytes(b"")
    with (out / "manifest" / "train-0.tar.jsonl").open("a") as file:
        file.write(file.name and (out / "manifest" / "train-1.tar.jsonl").read_text())
    members = [("part/10.png", encoded(1)), ("part/10.cls", b"8"), ("part/10.jaxanon.json", b"{}")]
    write_tar(out / "train-1.tar", members)
    found = "\n".join(faults(out))
    for text in (
        "train-9.tar: made of no input",
        ".x.part: part of a file",
        "train-0.tar: digest of the records",
        "train-0.tar: part/10 was not given",
        "train-1.tar: digest",
        "train-1.tar: part/11 is not there",
        "part/10: 2 members are not those of the input",
    ):
        assert text in found


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--shard", "3/2"], "3/2: give I/N"),
        (["--shard", "one"], "one: give I/N"),
        (["--sheet", "sheet.png"], "--sheet cannot be used with shards"),
        (["--method", "isr"], "--method isr cannot be used with shards"),
        (["--save-anonymized", "blurred"], "--save-anonymized cannot be used with shards"),
    ],
)
def test_what_cannot_be_done_with_shards_is_refused(zoo, shards, tmp_path, capsys, more, text):
    with suppress(SystemExit):  # by argparse
        assert anonymize(zoo, shards, tmp_path / "out", *more) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_inputs_that_exclude_each_other_are_refused(zoo, shards, photos_dir, tmp_path, capsys):
    (shards[0].parent / "notes.txt").touch()
    assert anonymize(zoo, [shards[0].parent], tmp_path / "all", "--quiet") == 0
    assert faults(tmp_path / "all") == []
    (shards[0].parent / "a.png").touch()
    assert anonymize(zoo, [shards[0].parent], tmp_path / "out") == 2
    assert "holds shards (train-0.tar) and pictures (a.png)" in capsys.readouterr().err
    assert anonymize(zoo, [shards[0], photos_dir], tmp_path / "out") == 2
    assert "adapt them in two runs" in capsys.readouterr().err
    (tmp_path / "more").mkdir()
    again = write_tar(tmp_path / "more" / "train-0.tar", [("a.png", encoded(1))])
    assert anonymize(zoo, [*shards, again], tmp_path / "out") == 2
    assert "two shards are called train-0.tar" in capsys.readouterr().err
    assert jaxanon("report", tmp_path) == 2
    assert "no run was begun here, neither over shards nor over files" in capsys.readouterr().err


def test_nothing_outside_the_run_is_replaced(zoo, shards, tmp_path, capsys):
    out, precious = tmp_path / "out", tmp_path / "precious.png"
    precious.write_bytes(b"mine")
    for report in (shards[0], precious):
        assert anonymize(zoo, shards[1:], out, "--report", report) == 2
    out.mkdir()
    (out / "train-1.tar").write_bytes(b"mine")
    assert anonymize(zoo, shards, out, "--resume") == 2
    assert "train-1.tar exists" in capsys.readouterr().err
    evil = write_tar(tmp_path / "evil.tar", [(str(precious), encoded(1))])
    assert jaxanon("attack", evil, "-o", tmp_path / "attacked", "--sources", zoo[0],
                   "--overwrite") == 1  # fmt: skip
    assert precious.read_bytes() == b"mine"
    assert (out / "train-1.tar").read_bytes() == b"mine"


def test_begun_anew_nothing_of_the_former_run_is_left(zoo, shards, tmp_path):
    out = tmp_path / "out"
    assert anonymize(zoo, shards, out, "--quiet") == 0
    assert anonymize(zoo, shards[:2], out, "--quiet", "--overwrite", "--seed", 3) == 0
    assert sorted(path.name for path in out.glob("*.tar")) == ["train-0.tar", "train-1.tar"]
    assert json.loads((out / "report.json").read_text())["summary"]["images"] == 6
    assert faults(out) == []
    records = out / "manifest" / "train-1.tar.jsonl"
    whole = records.read_bytes()
    for damaged in (b"damaged", whole.replace(b"steps", b"spets")):
        records.write_bytes(damaged)
        assert anonymize(zoo, shards[:2], out, "--quiet", "--resume", "--seed", 3) == 0
        assert records.read_bytes() == whole
        assert faults(out) == []


def test_a_shard_that_changes_under_way_is_not_written(zoo, shards, tmp_path, monkeypatch, capsys):
    real = shard_module._keep

    def keep(outcome):
        shards[0].write_bytes(shards[1].read_bytes())
        return real(outcome)

    monkeypatch.setattr(shard_module, "_keep", keep)
    assert anonymize(zoo, shards[:1], tmp_path / "out") == 1
    assert "was changed while it was read" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.tar"))


def test_living_workers_are_not_counted_as_dead(tmp_path):
    manifest = Manifest(FolderStore(tmp_path))
    with ExitStack() as living:
        for _ in range(4):
            living.enter_context(manifest.attempts.attempt("a.tar"))
    assert not list(tmp_path.rglob("*.attempts"))
    folder = tmp_path / "manifest" / "a.tar.attempts"
    folder.mkdir(parents=True)
    for i in range(3):
        (folder / f"host.{i}.dead").touch()
    with pytest.raises(ImageError, match="set aside: 3 workers died"):
        manifest.attempts.deaths("a.tar")
    manifest.attempts.forgive(["a.tar"])
    assert manifest.attempts.deaths("a.tar") == 0


def test_of_many_shards_some_are_counted(tmp_path, monkeypatch):
    manifest = Manifest(FolderStore(tmp_path))
    members = [[(f"{j}.png", b"") for j in range(2 + i % 2)] for i in range(6)]
    works = [ShardFile(write_tar(tmp_path / f"{i}.tar", m), "") for i, m in enumerate(members)]
    assert shard_run._images([], manifest) == 0
    assert shard_run._images(works, manifest) == 15
    opened = []
    real = ShardFile.open
    monkeypatch.setattr(ShardFile, "open", lambda work: opened.append(work.name) or real(work))
    monkeypatch.setattr(shard_run, "COUNTED", 2)
    assert shard_run._images(works, manifest) == 15
    assert opened == ["0.tar", "3.tar"]


def test_the_images_of_a_shard_are_inputs_like_others(shards, tmp_path):
    images = list(TarShard(shards[1]))
    assert [str(image.relative) for image in images] == [f"train-1/part/1{i}.jpg" for i in range(3)]
    with images[0].open() as file, Image.open(file) as image:
        assert np.asarray(image).shape == (40, 52, 3)
    assert len({image.fingerprint() for image in images}) == 3
    cut = tmp_path / "cut.tar"
    cut.write_bytes(shards[1].read_bytes()[:2000])
    with pytest.raises(ImageError, match=r"ends in the middle|damaged"):
        [image.open() for image in TarShard(cut)]
    (tmp_path / "no.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(UsageError, match=r"no\.tar: cannot be read as an uncompressed tar"):
        TarShard(tmp_path / "no.tar")
