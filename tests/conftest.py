"""Shared fixtures: tiny classifiers for the mechanics, real ones where the result matters."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest
from samples import picture, tiny

from jaxanon.classifiers.classifier import Classifier

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Ported weights are kept apart from the user's, and nothing is asked of a hub."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAXANON_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def tinies() -> list[Classifier]:
    return [tiny("tiny_a", 1), tiny("tiny_b", 2, size=40, classes=7), tiny("tiny_c", 3)]


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
    from jaxanon.cli.demo import photos as packaged

    return packaged()


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
