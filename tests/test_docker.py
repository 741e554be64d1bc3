"""The image's recipe, followed without Docker: what it copies, builds and names."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZipFile

import pytest

import jaxanon
from jaxanon.runtime.folders import user_cache

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def steps():
    """The instructions of each stage: (name, what follows it)."""
    text = re.sub("^#.*\n", "", TEXT, flags=re.M).replace("\\\n", " ")
    found = [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]
    starts = [i for i, (name, _) in enumerate(found) if name == "FROM"]
    return [found[i:j] for i, j in zip(starts, [*starts[1:], len(found)], strict=True)]


def all_of(stage, name):
    return [rest for found, rest in stage if found == name]


def sent_to_docker(name):
    """Whether a file at the top is part of the build's context, by .dockerignore."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#") and fnmatch(name, line.removeprefix("!")):
            sent = line.startswith("!")
    return sent


@pytest.fixture(scope="module")
def wheel(steps, tmp_path_factory):
    """The wheel that the first stage builds, of nothing but what it copies."""
    source, wheels = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheels")
    for *names, _ in map(shlex.split, all_of(steps[0], "COPY")):
        for name in names:
            assert sent_to_docker(name)
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, source / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, source)
    (command,) = all_of(steps[0], "RUN")
    words = [str(wheels) if word == "/wheels" else word for word in shlex.split(command)]
    subprocess.run([sys.executable, "-m", *words], cwd=source, check=True, capture_output=True)
    (built,) = wheels.iterdir()
    return built


def test_the_wheel_holds_the_package_and_nothing_else(steps, wheel):
    with ZipFile(wheel) as file:
        names = file.namelist()
    assert fnmatch(f"/wheels/{wheel.name}", "/wheels/jaxanon-*.whl"), "as the second stage looks"
    assert {name.partition("/")[0] for name in names} == {
        "jaxanon",
        f"jaxanon-{jaxanon.__version__}.dist-info",
    }
    assert any(name.endswith("licenses/LICENSE") for name in names)
    ours = ROOT / "jaxanon"
    kept = [path for path in ours.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {str(path.relative_to(ROOT)) for path in kept} <= set(names)


def test_the_entry_point_is_the_command(steps, wheel, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--target", tmp_path, wheel],
        check=True,
        capture_output=True,
    )
    (entry,) = (json.loads(rest) for rest in all_of(steps[1], "ENTRYPOINT"))
    (default,) = (json.loads(rest) for rest in all_of(steps[1], "CMD"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for words, told in ((["--version"], jaxanon.__version__), (default, "usage: jaxanon")):
        said = subprocess.run(
            [tmp_path / "bin" / entry[0], *entry[1:], *words],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert told in said.stdout


def test_the_extras_exist(steps):
    """Those that are installed by default, and those that comments name."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r"EXTRAS=([a-z,]+)", TEXT)
    assert all_of(steps[1], "ARG") == [f"EXTRAS={named[-1]}"]
    assert len(named) >= 2
    assert {extra for text in named for extra in text.split(",")} <= known.keys()


def test_nobody_is_root_and_the_cache_is_a_volume(steps, monkeypatch):
    names = [name for name, _ in steps[1]]
    assert names.index("USER") > max(i for i, name in enumerate(names) if name == "RUN")
    (user,) = all_of(steps[1], "USER")
    assert f"useradd --uid {user} " in " ".join(all_of(steps[1], "RUN"))
    assert int(user) > 0
    (volume,) = all_of(steps[1], "VOLUME")
    monkeypatch.delenv("JAXANON_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for setting in all_of(steps[1], "ENV"):
        monkeypatch.setenv(*setting.split("=", 1))
    assert user_cache().is_relative_to(volume)


def test_the_context_is_small():
    assert not [name for name in (".git", "tests", "docs", ".venv-test") if sent_to_docker(name)]
