import json
import subprocess
import sys

import pytest
from command_line import NAMES, jaxanon

from jaxanon import cli, list_classifiers
from jaxanon.adaptation.losses import LOSSES
from jaxanon.adaptation.settings import Settings
from jaxanon.classifiers import registry


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_command_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        jaxanon(command, "--help")
    assert stop.value.code == 0
    assert f"example: jaxanon {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["anonymize", "adapt", "attack"])
def test_flags_of_the_loop_show_what_their_settings_may_be(command, capsys):
    """Default, range and choices are the settings' own; completion is offered the choices."""
    top = cli.parser()
    (commands,) = (a.choices for a in top._actions if a.dest == "command")
    flags = {action.dest: action for action in commands[command]._actions}
    assert list(flags["loss"].choices) == list(LOSSES)
    assert list(flags["precision"].choices) == ["auto", "float32", "bfloat16"]
    assert list(flags["preset"].choices) == ["fast", "balanced", "transfer"]
    with pytest.raises(SystemExit):
        jaxanon(command, "--help")
    shown = " ".join(capsys.readouterr().out.split())
    for name, option in Settings.options().items():
        assert (name in flags) == option.flag
        if option.flag and isinstance(option.default, bool):
            assert option.help in shown, "it is given, or not"
        elif option.flag:
            bounded = option.choices or option.range
            assert f"{option.help}{';' if bounded else ''} " in shown
            by_preset = "100 with fast, 40 with balanced, 100 with transfer"
            default = by_preset if name == "steps" else option.default
            assert f"(default: {default})" in shown
            assert option.range is None or f"; {option.range} (default" in shown


def test_import_and_help_are_light():
    code = (
        "import jax, sys; before = set(sys.modules); import jaxanon, jaxanon.cli;"
        "jaxanon.cli.parser(); print(*sorted({n.split('.')[0] for n in set(sys.modules) - before}))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"flax", "optax", "orbax", "PIL", "scipy", "matplotlib", "torch", "huggingface_hub"}
    heavy |= {
        "fsspec",
        "pyarrow",
        "tenacity",
        "jmespath",
        "skimage",
        "onnxruntime",
        "gradio",
        "ray",
    }
    assert not heavy & set(out.stdout.split())


def test_models(capsys):
    assert jaxanon("models") == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[0] for line in lines] == [n.split(".")[0] for n in list_classifiers()]
    assert {line.split()[0] for line in lines} == set(registry.ENTRIES)
    assert jaxanon("models", "*lite[34]*", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["input_size"] for row in rows] == [300, 380]
    assert rows[0]["licence"] == "apache-2.0"
    assert jaxanon("models", "resnet50", "--json") == 0
    assert [row["tag"] for row in json.loads(capsys.readouterr().out)] == ["a1_in1k"]
    assert jaxanon("models", "no-such*") == 2


def test_bench(zoo, photos_dir, tmp_path, capsys, monkeypatch):
    from jaxanon.cli import bench

    monkeypatch.setattr(
        bench, "demo_photos", lambda: [(path, 0) for path in photos_dir.glob("*.png")]
    )
    file = tmp_path / "bench.json"
    words = ["bench", "--classifiers", ",".join(zoo), "--batch", 2, "--repeats", 2, "--json", file]
    assert jaxanon(*words) == 0
    printed = capsys.readouterr().out
    assert "all 3 together" in printed
    assert "the device was busy" in printed
    result = json.loads(file.read_text())
    assert [row["name"] for row in result["gradient_steps"][:3]] == list(NAMES)
    for row in result["gradient_steps"]:
        assert row["forward_seconds"] > 0
        assert row["gflop_per_image"] > 0
        assert row["images_per_second"] == pytest.approx(2 / row["seconds"])
    assert result["end_to_end"]["images"] == len(list(photos_dir.glob("*.png")))
    limits = result["ceiling"]
    assert limits["cores_needed"] == pytest.approx(
        limits["cores"] * limits["device_images_per_second"] / limits["host_images_per_second"]
    )
    assert "such cores would keep it busy" in printed
    assert jaxanon(*words) == 2, "an existing file is not overwritten"
    assert jaxanon("bench", "--classifiers", ",") == 2
    assert jaxanon("bench", "--batch", 0) == 2
