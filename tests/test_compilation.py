"""Programs are compiled once, kept where only the user may write, and shared."""

import os
import subprocess
import sys

import jax
import pytest

from jaxanon.runtime import compilation, memory


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A cache folder of its own, and JAX without one."""
    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("JAXANON_CACHE", str(tmp_path))
    yield tmp_path / "compiled"
    for name, value in before.items():
        jax.config.update(name, value)


def test_the_cache_is_the_users_alone(fresh):
    assert compilation.enable_compilation_cache() == fresh
    assert fresh.stat().st_mode & 0o077 == 0
    assert jax.config.jax_compilation_cache_dir == str(fresh)
    assert compilation.enable_compilation_cache() == fresh, "a second time changes nothing"


def test_a_folder_that_others_may_write_to_is_not_used(fresh, caplog):
    fresh.mkdir(parents=True)
    fresh.chmod(0o777)
    with caplog.at_level("WARNING", logger="jaxanon"):
        assert compilation.enable_compilation_cache() is None
    assert f"others may write to {fresh}" in caplog.text
    assert jax.config.jax_compilation_cache_dir is None


def test_the_users_own_choice_stays(fresh, tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "mine"))
    assert compilation.enable_compilation_cache() == tmp_path / "mine"
    assert not fresh.exists()


PROGRAM = """
import sys
import jax
import numpy as np
from samples import tiny
from jaxanon.runtime import compilation
from jaxanon.adaptation.settings import preset
from jaxanon.adaptation.slots import Slots
from jaxanon.classifiers.ensemble import Ensemble
compilation.SHORTEST = 0.0
compilation.enable_compilation_cache()
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
Slots(Ensemble([tiny("a", 1)]), preset("fast"), 2)
print(hits.count("/jax/compilation_cache/cache_hits"))
"""


def test_a_second_process_compiles_the_loop_no_more(tmp_path):
    environment = {**os.environ, "JAXANON_CACHE": str(tmp_path), "PYTHONPATH": "tests"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [sys.executable, "-c", PROGRAM]
    hits = [
        int(subprocess.run(command, check=True, env=environment, capture_output=True).stdout)
        for _ in range(2)
    ]
    assert hits[0] == 0
    assert hits[1] >= 1


def test_freed_memory_is_kept_where_glibc_is(monkeypatch):
    code = "from jaxanon.runtime.memory import keep_freed; print(keep_freed())"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    known = sys.platform.startswith("linux") and "glibc" in os.confstr("CS_GNU_LIBC_VERSION")
    assert out.stdout.strip() == str(known)
    monkeypatch.setattr(sys, "platform", "win32")
    assert memory.keep_freed() is False
