"""The cache of ported parameters: one Orbax checkpoint per weights file and architecture.

A checkpoint is written beside its place and moved there when it is whole, so a killed process
leaves at most an unfinished folder, which the next one removes. It is found again by the SHA-256
of the weights file, so it never answers for other weights.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax

VERSION = 1
"""Of what the port makes of a state dict; to be raised with every change to that."""
STALE = 24 * 3600
UNFINISHED = ".unfinished-"
log = logging.getLogger("jaxanon")


def root() -> Path:
    """The user's cache folder: `JAXANON_CACHE`, or `jaxanon` under `XDG_CACHE_HOME`, `~/.cache`."""
    given = os.environ.get("JAXANON_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxanon"


@dataclass(frozen=True)
class Facts:
    """What is kept beside the parameters.

    Attributes:
        classes: of the head.
        naming: whose key names the file has.
    """

    classes: int
    naming: str


@dataclass(frozen=True)
class Place:
    """Where the parameters of a weights file are kept for an architecture.

    Attributes:
        folder: of the checkpoint.
    """

    folder: Path

    @classmethod
    def of(cls, digest: str, architecture: str) -> Place:
        """The place for the file with this SHA-256."""
        return cls(root() / "ported" / f"v{VERSION}" / f"{architecture}-{digest[:32]}")

    def facts(self) -> Facts | None:
        """What is known of the parameters, or None where nothing is kept."""
        try:
            facts = json.loads((self.folder / "facts.json").read_text("utf-8"))
            return Facts(int(facts["classes"]), str(facts["naming"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def load(self, abstract: Any) -> Any | None:
        """The parameters, or None where they cannot be read in the form of `abstract`.

        A damaged checkpoint is removed, with a word about it.
        """
        from orbax.checkpoint import v1 as ocp

        place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        wanted = jax.tree.map(lambda leaf: leaf.update(sharding=place), abstract)
        try:
            params = ocp.load(self.folder / "params", wanted)
            shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params)
            if shapes != jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), abstract):
                raise ValueError("its shapes are not the architecture's")
        except Exception as error:  # whatever a damaged file makes of the reader
            log.warning("%s: removed, unreadable: %s", self.folder, str(error).splitlines()[0])
            shutil.rmtree(self.folder, ignore_errors=True)
            return None
        return params

    def save(self, params: Any, facts: Facts) -> None:
        """Keep parameters and what is known of them; without a writable cache, say so and go on."""
        from orbax.checkpoint import v1 as ocp

        context = ocp.Context()
        context.array.saving.use_compression = False  # weights hardly shrink; it costs half a copy
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _sweep(self.folder.parent)
            part = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self.folder.parent))
            try:
                with context:
                    ocp.save(part / "params", params)
                (part / "facts.json").write_text(json.dumps(asdict(facts)), encoding="utf-8")
                part.rename(self.folder)
            except OSError:
                if not self.folder.exists():  # else another process was first
                    raise
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except (OSError, ValueError) as error:
            log.warning("%s: the ported weights are not cached: %s", self.folder, error)


def _sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished."""
    for part in folder.glob(f"{UNFINISHED}*"):
        if time.time() - part.stat().st_mtime > STALE:
            shutil.rmtree(part, ignore_errors=True)
