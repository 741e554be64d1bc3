"""What other programs are told of a run."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from command_line import anonymize
from test_shards import anonymize as anonymize_shards
from test_shards import faults, shards  # noqa: F401


@pytest.fixture
def wandb(monkeypatch):
    """A module of that name, which remembers what it is told."""
    told = []
    module = ModuleType("wandb")
    run = SimpleNamespace(
        log=lambda figures: told.append(figures), finish=lambda: told.append("end")
    )
    module.init = lambda **more: told.append(more) or run
    monkeypatch.setitem(sys.modules, "wandb", module)
    return told


def test_wandb_is_told_settings_and_figures(zoo, photos_dir, tmp_path, wandb):
    assert anonymize(zoo, photos_dir, tmp_path / "out", "--track", "wandb", "--quiet") == 0
    begun, figures, end = wandb
    assert begun["config"]["preset"] == "fast"
    assert begun["dir"] == str(tmp_path / "out" / ".tracking")
    assert figures["images"] == 5
    assert figures["adapted/tiny_a.test"] == 1
    assert figures["seconds/compile"] > 0
    assert end == "end"


def test_tensorboard_gets_files_that_are_no_data(zoo, shards, tmp_path):  # noqa: F811
    out = tmp_path / "out"
    assert anonymize_shards(zoo, shards, out, "--track", "tensorboard", "--quiet") == 0
    assert list((out / ".tracking").glob("events.out.tfevents.*"))
    assert faults(out) == []


def test_a_package_that_is_missing_is_said_before_the_work(
    zoo, photos_dir, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    out = tmp_path / "out"
    assert anonymize(zoo, photos_dir, out, "--track", "tensorboard") == 2
    assert "pip install tensorboardX" in capsys.readouterr().err
    assert not list(out.glob("*.png"))
