"""What a run needs of this machine, each checked and told in one line."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from rich.filesize import decimal

from jaxanon import __version__
from jaxanon.runtime.folders import user_cache

State = Literal["ok", "missing", "FAILED"]
PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "pillow", "huggingface_hub")
"""Whose versions matter."""
FOR_DEVELOPERS = frozenset({"test", "docs", "aot", "parity"})
"""Extras that no user misses."""
PATIENCE = 120.0
"""Seconds that JAX may take to find its devices."""
HUB_PATIENCE = 5.0
"""Seconds that the hub may take to answer."""
ROOM = 1 << 30
"""Bytes on a disk below which it counts as full."""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
        name: of the thing.
        state: `ok`; `missing`, which a run may do without; or `FAILED`.
        text: what was found, in one line, with the way out where something is wrong.
    """

    name: str
    state: State
    text: str


def checkup() -> Iterator[Finding]:
    """All checks, in their order; none raises."""
    yield Finding("versions", "ok", _versions())
    yield from _devices()
    yield from _disks()
    yield from _extras()
    yield _hub()


def _versions() -> str:
    found = [f"jaxanon {__version__}", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"{name} not installed")
    return ", ".join(found)


def _devices() -> Iterator[Finding]:
    """Whether JAX computes, on which devices, and how much memory is free."""
    command = [sys.executable, "-m", "jaxanon.runtime.probe"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        yield Finding(
            "backend",
            "FAILED",
            f"JAX found no device within {PATIENCE:.0f} s: another process may hold it; end that "
            "one, or set JAX_PLATFORMS=cpu",
        )
        return
    except OSError as error:
        yield Finding("backend", "FAILED", f"cannot be asked: {error}; is memory left?")
        return
    try:
        found = json.loads(run.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        lines = run.stderr.strip().splitlines() or [f"ended with status {run.returncode}"]
        hint = "" if "unset it" in lines[-1] else "; JAX_PLATFORMS=cpu does without accelerators"
        yield Finding("backend", "FAILED", f"{lines[-1]}{hint}")
        return
    yield _backend(found)
    if found["free"] is not None:
        each = " on each device" if found["platform"] != "cpu" else ""
        little = found["free"] < ROOM
        yield Finding(
            "memory",
            "FAILED" if little else "ok",
            f"{decimal(found['free'])} free{each}{'; end other programs' if little else ''}",
        )


def _backend(found: dict[str, Any]) -> Finding:
    text = f"{found['count']} x {found['kind']} ({found['platform']})"
    if not found["right"]:
        return Finding("backend", "FAILED", f"{text}: computes wrongly; update its driver, or JAX")
    if found["platform"] == "cpu":
        for sign, what, extra in (
            ("/dev/nvidia0", "an NVIDIA GPU", "cuda"),
            ("/dev/accel0", "a TPU", "tpu"),
        ):
            if Path(sign).exists():
                way = f"JAX does not see it: pip install 'jaxanon[{extra}]'"
                return Finding("backend", "missing", f"{text}; {what} is here, but {way}")
    return Finding("backend", "ok", text)


def _disks() -> Iterator[Finding]:
    """Whether the folders that runs write to can be written, and what lies in the caches."""
    yield _disk("cache", user_cache(), "JAXANON_CACHE")
    yield _disk("temporary files", Path(tempfile.gettempdir()), "TMPDIR")


def _disk(name: str, folder: Path, variable: str) -> Finding:
    way = f"free some room, or set {variable} to a folder elsewhere"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 20))
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(name, "FAILED", f"{folder}: {error.strerror or error}; {way}")
    text = f"{folder}: {decimal(free)} free"
    return Finding(name, "FAILED", f"{text}; {way}") if free < ROOM else Finding(name, "ok", text)


def _extras() -> Iterator[Finding]:
    """Which extras are installed."""
    try:
        told = metadata.metadata("jaxanon").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        yield Finding("extras", "missing", "jaxanon is not installed as a package: pip install it")
        return
    lacking, present = list[str](), list[str]()
    for extra in sorted({*told} - FOR_DEVELOPERS):
        (present if _has("jaxanon", extra) else lacking).append(extra)
    text = f"{', '.join(present) or 'none'}; not installed: {', '.join(lacking) or 'none'}"
    if lacking:
        text += f" (pip install 'jaxanon[{lacking[0]}]')"
    yield Finding("extras", "ok", text)


def _has(package: str, extra: str) -> bool:
    """Whether all is installed that an extra of a package needs."""
    from packaging.requirements import Requirement

    for each in map(Requirement, metadata.requires(package) or []):
        if each.marker is None or each.marker.evaluate({"extra": ""}):
            continue  # of the package itself
        if not each.marker.evaluate({"extra": extra}):
            continue
        try:
            found = metadata.version(each.name)
        except metadata.PackageNotFoundError:
            return False
        whole = all(_has(each.name, inner) for inner in each.extras)
        if not (whole and each.specifier.contains(found, prereleases=True)):
            return False
    return True


def _hub() -> Finding:
    """Whether weights can be fetched."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    without = "weights in the cache and in packages ('jaxanon[demo]') work without it"
    if constants.HF_HUB_OFFLINE:
        return Finding("hub", "missing", f"HF_HUB_OFFLINE is set, so nothing is fetched; {without}")
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_PATIENCE)
    except Exception as error:  # whatever its HTTP client raises
        why = (str(error).splitlines() or [type(error).__name__])[0]
        return Finding(
            "hub",
            "missing",
            f"{constants.ENDPOINT} cannot be reached ({why}); {without}, a proxy is set by "
            "HTTPS_PROXY",
        )
    return Finding("hub", "ok", f"{constants.ENDPOINT} answers")
