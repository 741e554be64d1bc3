"""Runs over shards by workers of a Ray cluster, some of which are killed."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import check_run
import pytest
from test_shards import anonymize, everything, shards  # noqa: F401  # a fixture

from jaxanon.cli import main
from jaxanon.io.stores.folder_store import FolderStore
from jaxanon.pipeline.manifest import Manifest

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("default")]
HERE = Path(__file__).parent


@pytest.fixture
def words(zoo, shards, tmp_path):  # noqa: F811
    loop = ["--strength", 10, "--eps", 40, "--steps", 40, "--preset", "fast"]
    names = ["--sources", ",".join(zoo[:2]), "--targets", zoo[2]]
    return ["anonymize", *shards, "-o", tmp_path / "out", *names, *loop]


@pytest.fixture
def whole(zoo, shards, tmp_path):  # noqa: F811
    """What one process makes."""
    assert anonymize(zoo, shards, tmp_path / "whole", "--quiet") == 0
    return everything(tmp_path / "whole")


def start(words, workers=2, platform="cpu", **how):
    """The engine in a process of its own, as the driver of a run is."""
    told = {
        "words": [str(word) for word in words],
        "engine": {"workers": workers, "platform": platform},
        "how": how,
    }
    return subprocess.Popen(
        [sys.executable, HERE / "cluster_workers.py", json.dumps(told)],
        env={
            **os.environ,
            "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}",
            "JAX_PLATFORMS": "cpu",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(words, **how):
    """What the engine prints: the shards that could not be adapted, and what it says of them."""
    driver = start(words, **how)
    out, err = driver.communicate(timeout=240)
    return (json.loads(out.splitlines()[-1]) if driver.returncode == 0 else None), err


def faults(folder):
    return list(check_run.check(folder, None, check_run.Counter()))


def test_workers_of_a_cluster_write_the_same_bytes(words, whole, tmp_path):
    assert run(words)[0] == []
    assert everything(tmp_path / "out") == whole
    assert faults(tmp_path / "out") == []


def test_a_killed_worker_costs_nothing_but_time(words, whole, tmp_path):
    lives = tmp_path / "lives"
    lives.mkdir()
    for name in "ab":
        (lives / name).touch()
    assert run(words, deadly="train-1.tar", lives=str(lives))[0] == []
    assert not list(lives.iterdir()), "a worker was killed twice"
    assert everything(tmp_path / "out") == whole
    assert faults(tmp_path / "out") == []


def test_a_shard_that_kills_its_workers_is_set_aside(words, whole, tmp_path):
    broken, said = run(words, workers=1, deadly="train-1.tar")  # which has two in hand
    assert broken == ["train-1.tar"]
    assert "train-1.tar: set aside: 3 workers died over it" in said
    manifest = Manifest(FolderStore(tmp_path / "out"))
    assert [done.shard for done in manifest.shards()] == ["train-0.tar", "train-2.tar"]
    manifest.attempts.forgive(["train-1.tar"])
    _, said = run([*words, "--seed", 3], workers=1)
    assert "the settings differ: seed" in said
    assert run(words)[0] == []
    assert everything(tmp_path / "out") == whole
    assert faults(tmp_path / "out") == []


def test_a_killed_driver_is_begun_again(words, whole, tmp_path):
    driver = start(words, workers=1)
    until = time.monotonic() + 120
    while not (tmp_path / "out" / "train-0.tar").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    driver.kill()
    driver.communicate()
    assert run(words)[0] == []
    assert everything(tmp_path / "out") == whole
    assert faults(tmp_path / "out") == []


def test_two_runs_on_a_machine_have_a_cluster_each(words, whole, tmp_path):
    first = start(words, workers=1)
    until = time.monotonic() + 120
    while not (tmp_path / "out" / "manifest" / "run.json").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    more = [tmp_path / "more" if word == tmp_path / "out" else word for word in words]
    assert run(more, workers=1)[0] == []
    assert first.communicate(timeout=240)[0].splitlines()[-1] == "[]"
    assert everything(tmp_path / "more") == everything(tmp_path / "out") == whole


def test_a_worker_without_its_device_does_not_start(words):
    _, said = run(words, platform="gpu", workers=1)
    assert "--workers 1 of 1 GPU each: the cluster has 0" in said


def test_a_slurm_array_shares_a_run(shards, tmp_path):  # noqa: F811
    """As Slurm starts it: the tasks at once, in processes of their own."""
    out = tmp_path / "out"
    script = HERE.parent / "scripts" / "cluster" / "slurm.sh"
    options = ["--sources", "tf_efficientnet_lite0", "--preset", "fast", "--quiet"]

    def task(number, least="1"):
        return subprocess.Popen(
            [script, shards[0].parent, out, *options],
            env={
                **os.environ,
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "JAX_PLATFORMS": "cpu",
                "SLURM_ARRAY_TASK_ID": str(number),
                "SLURM_ARRAY_TASK_COUNT": "2",
                "SLURM_ARRAY_TASK_MIN": least,
            },
        )

    assert [task.wait(240) for task in [task(1), task(2)]] == [0, 0]
    assert json.loads((out / "report.json").read_text())["summary"]["images"] == 9
    assert faults(out) == []
    assert task(0, "0").wait(60) == 2


def test_the_command_line_says_what_cannot_be(words, tmp_path, capsys):
    def jaxanon(*more):
        return main([str(word) for word in [*words, *more]])

    assert jaxanon("--workers", 2) == 2
    assert "go with --engine ray" in capsys.readouterr().err
    assert jaxanon("--engine", "ray", "--shard", "1/2") == 2
    assert "--engine ray does it too" in capsys.readouterr().err
    assert jaxanon("--engine", "ray", "--address", "127.0.0.1:1") == 2
    assert "--address 127.0.0.1:1: " in capsys.readouterr().err
