"""Compiling programs for devices: without garbage collection, and kept between runs."""

from __future__ import annotations

import gc
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from jaxanon.runtime.folders import user_cache

SHORTEST = 0.3
"""Seconds that a program must have taken to compile to be kept."""
log = logging.getLogger(__name__)


@contextmanager
def gc_paused() -> Iterator[None]:
    """Keep Python's garbage collector from running, for tracing and compiling.

    It would go through JAX's many small, long-lived objects again and again: a sixth of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def enable_compilation_cache() -> Path | None:
    """Keep compiled programs in the user's cache folder; call it before the first compilation.

    The folder holds machine code that later runs execute, so it is the user's alone. Where it
    belongs to somebody else, or others may write to it, nothing is kept. A cache that the user has
    set up for JAX (`JAX_COMPILATION_CACHE_DIR`) stays in use instead.

    Returns:
        The folder in use, or None where nothing is kept.
    """
    chosen = jax.config.values["jax_compilation_cache_dir"]
    if chosen is not None:
        return Path(chosen)
    folder = user_cache() / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = folder.stat()
    except OSError as error:
        log.warning("compiled programs are not kept: %s: %s", folder, error.strerror or error)
        return None
    foreign = hasattr(os, "getuid") and state.st_uid != os.getuid()
    if foreign or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        log.warning("compiled programs are not kept: others may write to %s", folder)
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", SHORTEST)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return folder
