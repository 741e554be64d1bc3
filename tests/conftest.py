"""Shared fixtures: tiny classifiers for the mechanics, real ones where the result matters."""

from __future__ import annotations

import json
import logging
import signal
from pathlib import Path

import jax
import numpy as np
import pytest
from command_line import NAMES, cheaply, torch_layout, with_tinies
from PIL import Image
from safetensors.numpy import save_file
from samples import picture, tiny

from jaxanon import cli
from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier

jax.config.update("jax_numpy_rank_promotion", "raise")


# Shells have what they start in the background ignore this, and children would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Ported weights are kept apart from the user's, and nothing is asked of a hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXANON_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(autouse=True)
def log():
    """What the command line sets up for a terminal does not last: other tests listen themselves."""
    log = logging.getLogger("jaxanon")
    before = log.handlers, log.propagate, log.level
    yield
    log.handlers, log.propagate = before[:2]
    log.setLevel(before[2])


@pytest.fixture(scope="module", autouse=True)
def room_for_programs():
    """Drop compiled programs before there are too many for one process.

    Each takes a dozen maps of memory, and Linux allows 65,530, beyond which the compiler aborts.
    """
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 45_000:
        jax.clear_caches()


@pytest.fixture(scope="session")
def tinies() -> list[Classifier]:
    return [tiny("tiny_a", 1), tiny("tiny_b", 2, size=40, num_classes=7), tiny("tiny_c", 3)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def pictures() -> list[np.ndarray]:
    sizes = [(60, 80), (300, 280), (48, 48), (90, 64), (512, 400), (41, 77)]
    return [picture(i, *size) for i, size in enumerate(sizes)]


@pytest.fixture(scope="session")
def photos() -> list[tuple[Path, int]]:
    """The 20 ImageNet photos of the extra `demo`, with their classes."""
    from jaxanon.io.packaged import demo_photos

    return demo_photos()


@pytest.fixture
def compilations():
    """Grows by one entry with every program that is compiled."""
    seen = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            seen.append(duration)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield seen
    jax.monitoring.unregister_event_duration_listener(listen)


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """Registers three tiny classifiers; gives what to write after --sources and --targets."""
    given = []
    for i, name in enumerate(NAMES):
        folder = tmp_path / "weights" / str(i)
        folder.mkdir(parents=True)
        save_file(torch_layout(i, 10 - i), folder / "model.safetensors")
        (folder / "config.json").write_text(
            json.dumps({"num_classes": 10 - i, "pretrained_cfg": {"tag": "test", "crop_pct": 0.9}})
        )
        given.append(f"{name.split('.')[0]}@{folder}")
    monkeypatch.setattr(registry, "ENTRIES", with_tinies())
    return given


@pytest.fixture
def photos_dir(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    names = ["a.png", "b.jpg", "c.webp", "sub/d.png", "sub/e.png"]
    for i, name in enumerate(names):
        Image.fromarray(picture(i, 60 + 3 * i, 90)).save(folder / name)
    return folder


@pytest.fixture
def tiny_main(tinies):
    """The command line, with tiny classifiers whatever names it is given."""
    load = lambda names, *, quiet=False: tinies[: len(names)]  # noqa: E731
    return lambda words: cli.main(cheaply(words), load=load)
