"""What a newcomer's terminal is told: the first commands, what is missing, what the caches hold."""

import subprocess
import sys

import pytest
from command_line import jaxanon
from test_shards import small_disk  # noqa: F401

from jaxanon.cli import checkup, main

BROKEN = "JAX_PLATFORMS is cuda: "


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A cache of its own, no hub that answers, a backend that is there."""
    monkeypatch.setenv("JAXANON_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def lines(capsys):
    found = [line for line in capsys.readouterr().out.splitlines() if line]
    return {line[:15].strip(): line[17:].split(None, 1) for line in found}


@pytest.mark.usefixtures("machine")
def test_a_good_machine_without_a_network_is_told_so_in_a_line_each(capsys):
    assert jaxanon("doctor") == 0
    found = lines(capsys)
    assert list(found) == [
        *("versions", "backend", "memory", "cache", "temporary files", "extras", "hub")
    ]
    assert {name: state for name, (state, _) in found.items() if state != "ok"} == {
        "hub": "missing"
    }
    assert "http://127.0.0.1:9 cannot be reached (" in found["hub"][1]
    assert "work without it" in found["hub"][1]
    assert "(cpu)" in found["backend"][1]
    assert "datasets" in found["extras"][1].partition("not installed")[0]


@pytest.mark.usefixtures("machine")
def test_a_broken_backend_and_a_full_disk_are_told_in_a_line_each(
    monkeypatch,
    small_disk,  # noqa: F811
    capsys,
):
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setenv("JAXANON_CACHE", str(small_disk[0] / "cache"))
    assert jaxanon("doctor") == 1
    found = lines(capsys)
    assert found["backend"][0] == found["cache"][0] == "FAILED"
    assert BROKEN in found["backend"][1]
    assert "unset it to use what is there" in found["backend"][1]
    assert "No space left on device; free some room, or set JAXANON_CACHE" in found["cache"][1]
    assert "memory" not in found
    assert found["temporary files"][0] == "ok"


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("import os; os.abort()", "ended with status -6; JAX_PLATFORMS=cpu does without"),
        ("import time; time.sleep(60)", "no device within 1 s: another process may hold it"),
    ],
)
def test_a_driver_that_dies_or_hangs_takes_nothing_with_it(monkeypatch, script, text):
    real = subprocess.run

    def run(command, **more):
        return real([sys.executable, "-c", script], **more)

    monkeypatch.setattr(checkup.subprocess, "run", run)
    monkeypatch.setattr(checkup, "PATIENCE", 1.0)
    [finding] = checkup._devices()
    assert finding.state == "FAILED"
    assert text in finding.text


@pytest.mark.usefixtures("machine")
def test_the_cache_is_shown_and_cleared(tmp_path, capsys):
    kept = tmp_path / "cache" / "ported" / "v2" / "net"
    kept.mkdir(parents=True)
    (kept / "params").write_bytes(bytes(2_000_000))
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "blob").write_bytes(bytes(3_000_000))
    (tmp_path / "cache" / "answers" / "run").mkdir(parents=True)
    (tmp_path / "cache" / "answers" / "run" / "1.jsonl").write_bytes(bytes(1000))
    assert jaxanon("cache") == 0
    said = capsys.readouterr().out
    assert "2.0 MB" in said
    assert "3.0 MB" in said
    assert "answers of services" in said
    assert jaxanon("cache", "--clear") == 0
    assert "removed 2.0 MB" in capsys.readouterr().out
    assert not (tmp_path / "cache" / "ported").exists()
    assert (tmp_path / "cache" / "answers").exists(), "they were paid for"
    assert jaxanon("cache", "--clear-answers") == 0
    assert "removed 1.0 kB" in capsys.readouterr().out
    assert not (tmp_path / "cache" / "answers").exists()
    assert (tmp_path / "hub" / "blob").exists()


def test_bash_completes_commands_options_and_files(tmp_path, capsys):
    assert jaxanon("completion", "bash") == 0
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)
    (tmp_path / "photos").mkdir()

    def completed(line):
        words = line.split(" ")
        ask = f"""source {script}; cd {tmp_path}
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
        _shtab_jaxanon; printf '%s\\n' "${{COMPREPLY[@]}}" """
        run = subprocess.run(["bash", "-c", ask], capture_output=True, text=True, check=True)
        return run.stdout.split()

    assert completed("jaxanon anon") == ["anonymize"]
    assert "--drop" in completed("jaxanon anonymize --d")
    assert "photos" in completed("jaxanon anonymize pho")


def test_alone_it_says_how_to_begin(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert said.count("\n  jaxanon ") == 3
    assert "jaxanon demo" in said
