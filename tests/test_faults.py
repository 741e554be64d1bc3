"""What happens to files under a run over a data set: inputs vanish, an output turns read-only."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import jax
import pytest
from chunks import before_each_chunk
from PIL import Image
from test_shards import (  # noqa: F401  # a fixture
    anonymize,
    encoded,
    everything,
    faults,
    shards,
    write_tar,
)

from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.pipeline import shard as shard_module
from jaxanon.pipeline.manifest import Manifest


def tars(folder):
    """The adapted shards in a folder."""
    return {name: data for name, data in everything(folder).items() if name.endswith(".tar")}


@pytest.fixture
def then(monkeypatch):
    """Does something once, when so many images are adapted."""
    real, seen = shard_module._keep, []

    def after(images, something):
        def keep(outcome):
            seen.append(outcome)
            if len(seen) == images:
                something()
            return real(outcome)

        monkeypatch.setattr(shard_module, "_keep", keep)

    return after


def test_an_input_that_vanishes_costs_itself(zoo, shards, tmp_path, then, capsys):  # noqa: F811
    then(1, shards[2].unlink)
    out = tmp_path / "out"
    assert anonymize(zoo, shards, out) == 1
    err = capsys.readouterr().err
    assert "train-2.tar" in err
    assert "No such file or directory" in err
    assert [done.shard for done in Manifest(FolderStore(out)).shards()] == [
        "train-0.tar",
        "train-1.tar",
    ]
    assert not list(out.rglob("*.part"))


def test_a_picture_of_a_list_that_vanishes_costs_itself(zoo, photos_dir, tmp_path, then, capsys):
    photos = sorted(path for path in photos_dir.rglob("*") if path.is_file())
    then(1, photos[-1].unlink)
    out = tmp_path / "out"
    assert anonymize(zoo, [photos_dir], out, "--slice", 1) == 1
    assert photos[-1].name in capsys.readouterr().err
    assert faults(out) == []
    assert len(list(out.rglob("*.png"))) == len(photos) - 1


def test_an_output_that_turns_read_only_is_gone_on_with(zoo, shards, tmp_path, then, capsys):  # noqa: F811
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert anonymize(zoo, shards, whole, "--quiet") == 0

    def may_be_written(sign):
        folders = [out, out / "manifest"]
        return subprocess.run(["chattr", sign, *folders], capture_output=True).returncode == 0

    locked = []
    then(4, lambda: locked.append(may_be_written("+i")))
    try:
        status = anonymize(zoo, shards, out)
    finally:
        may_be_written("-i")
    if locked != [True]:
        pytest.skip("a folder cannot be made immutable here")
    err = capsys.readouterr().err
    assert status == 1
    assert "train-1.tar" in err
    assert "train-2.tar" in err
    assert "cannot be written" in err
    assert anonymize(zoo, shards, out, "--resume", "--quiet") == 0
    assert everything(out) == everything(whole)
    assert faults(out) == []


OUT_OF_MEMORY = "RESOURCE_EXHAUSTED: Out of memory allocating ..."


def test_too_little_memory_of_the_device_costs_slots_and_no_image(
    zoo,
    shards,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    whole, out, sizes = tmp_path / "whole", tmp_path / "out", []
    assert anonymize(zoo, shards, whole, "--quiet") == 0

    def fits_two(slots):
        sizes.append(slots)
        if slots > 2:
            raise jax.errors.JaxRuntimeError(OUT_OF_MEMORY)

    before_each_chunk(monkeypatch, fits_two)
    assert anonymize(zoo, shards, out, "--quiet", "--slots", 4) == 0
    assert max(sizes) == 4
    assert sizes[-1] == 2
    assert tars(out) == tars(whole)


def test_a_device_that_fails_costs_the_shards_it_fails_in(
    zoo,
    shards,  # noqa: F811
    tmp_path,
    monkeypatch,
    capsys,
):
    whole, out, calls = tmp_path / "whole", tmp_path / "out", []
    assert anonymize(zoo, shards, whole, "--quiet") == 0

    def fails_first(slots):
        calls.append(slots)
        if len(calls) == 1:
            raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    with monkeypatch.context() as change:
        before_each_chunk(change, fails_first)
        assert anonymize(zoo, shards, out) == 1
    assert "shard train-0.tar: the device failed: INTERNAL" in capsys.readouterr().err
    assert sorted(tars(out)) == ["train-1.tar", "train-2.tar"]
    assert anonymize(zoo, shards, out, "--resume", "--quiet") == 0
    assert tars(out) == tars(whole)
    assert faults(out) == []


def test_a_picture_that_would_fill_the_memory_costs_itself(zoo, tmp_path, capsys):
    bomb = io.BytesIO()
    Image.new("1", (30_000, 30_000)).save(bomb, "png")
    members = [("a.png", encoded(1)), ("b.png", bomb.getvalue()), ("c.png", encoded(2))]
    out = tmp_path / "out"
    assert anonymize(zoo, [write_tar(tmp_path / "s.tar", members)], out) == 1
    assert "b.png" in capsys.readouterr().err
    with tarfile.open(out / "s.tar") as tar:
        assert [name for name in tar.getnames() if name.endswith(".png")] == ["a.png", "c.png"]
    assert faults(out) == []


@pytest.mark.parametrize("more", [[], ["--slice", 5]])
def test_links_that_lead_in_a_circle_are_gone_once(zoo, photos_dir, tmp_path, more):
    photos = sum(1 for path in photos_dir.rglob("*") if path.is_file())
    (photos_dir / "back").symlink_to(photos_dir)
    (photos_dir / "round.png").symlink_to(photos_dir / "about.png")
    (photos_dir / "about.png").symlink_to(photos_dir / "round.png")
    out = tmp_path / "out"
    assert anonymize(zoo, [photos_dir], out, "--quiet", *more) == 1
    report = json.loads((out / "report.json").read_text())
    assert report["summary"]["images"] == photos + 2
    failed = [each["input"] for each in report["images"] if each["status"] == "failed"]
    assert sorted(failed) == [str(photos_dir / name) for name in ("about.png", "round.png")]


RAY = ["--engine", "ray", "--workers", "1"]


@pytest.mark.cluster  # with a real classifier, in a process of its own
@pytest.mark.parametrize(
    ("engine", "asked", "status"),
    [([], signal.SIGTERM, 143), (RAY, signal.SIGTERM, 143), (RAY, signal.SIGINT, 130)],
)
def test_a_run_that_is_asked_to_end_is_gone_on_with(shards, tmp_path, engine, asked, status):  # noqa: F811
    words = ["anonymize", *map(str, shards), "-o", str(tmp_path / "out"), "--resume", "--quiet"]
    words += ["--preset", "fast"]
    words += ["--sources", "tf_efficientnet_lite0"]

    def start(*more):
        return subprocess.Popen(
            [sys.executable, "-m", "jaxanon", *words, *more],
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            stderr=subprocess.PIPE,
            text=True,
        )

    run = start(*engine)
    until = time.monotonic() + 120
    while not (tmp_path / "out" / "train-0.tar").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    run.send_signal(asked)
    _, err = run.communicate(timeout=60)
    assert run.returncode == status
    assert "give --resume to go on" in err
    assert not list((tmp_path / "out").rglob("*.part"))
    assert "train-2.tar: not finished" in faults(tmp_path / "out")
    assert everything(tmp_path / "out")
    _, err = (again := start()).communicate(timeout=120)
    assert again.returncode == 0, err
    assert faults(tmp_path / "out") == []
