"""Parameters kept between runs: one Orbax checkpoint per weights file and architecture.

A checkpoint is written beside its place and moved there when it is whole, so a killed process
leaves at most an unfinished folder, which a later one removes when it is a day old. It is found
again by the SHA-256 of the weights file, so it never answers for other weights, and has a checksum
of its own.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxanon.runtime.devices import available
from jaxanon.runtime.folders import user_cache

VERSION = 2
"""Version of the conversion from state dicts; to be raised with every change to it."""
STALE = 24 * 3600
"""Age in seconds from which on an unfinished folder is removed."""
UNFINISHED = ".unfinished-"
"""How the name of an unfinished folder begins."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Facts:
    """What is kept beside cached parameters.

    Attributes:
        num_classes: number of outputs of the head.
        checksum: CRC-32 of the parameters, see `checksum`.
        notes: what is to be said of the weights file whenever it is used.
    """

    num_classes: int
    checksum: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CachedParameters:
    """Where the parameters of a weights file are kept for an architecture.

    Attributes:
        folder: the checkpoint's folder, which need not exist.
    """

    folder: Path

    @classmethod
    def for_weights(cls, digest: str, architecture: str, size: int) -> CachedParameters:
        """The place for the parameters of one weights file.

        Args:
            digest: SHA-256 of the weights file, in hexadecimal.
            architecture: timm's name of the network.
            size: side of the input in pixels, which some networks are made for.
        """
        return cls(user_cache() / "ported" / f"v{VERSION}" / f"{architecture}-{size}-{digest[:32]}")

    def facts(self) -> Facts | None:
        """What is kept beside the parameters, or None where no parameters are cached."""
        try:
            facts = json.loads((self.folder / "facts.json").read_text("utf-8"))
            notes = tuple(map(str, facts["notes"]))
            return Facts(int(facts["num_classes"]), int(facts["checksum"]), notes)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def load(self, abstract: Any, facts: Facts) -> Any | None:
        """Read the parameters; None where they are damaged, which is logged, and removed.

        Args:
            abstract: shapes and types of the parameters, a pytree.
            facts: what is kept beside the parameters.
        """
        from orbax.checkpoint import v1 as ocp

        place = jax.sharding.SingleDeviceSharding(available()[0])
        wanted = jax.tree.map(lambda leaf: leaf.update(sharding=place), abstract)
        try:
            with _silence():
                params = ocp.load(self.folder / "params", wanted)
            if checksum(params) != facts.checksum:
                raise ValueError("its checksum is wrong")
        except Exception as error:  # whatever a damaged file makes of the reader
            why = (str(error).splitlines() or [type(error).__name__])[0]
            log.warning("%s: removed, unreadable: %s", self.folder, why)
            shutil.rmtree(self.folder, ignore_errors=True)
            return None
        return params

    def save(self, params: Any, num_classes: int, notes: Sequence[str] = ()) -> None:
        """Write parameters to the cache; where it cannot be written, log that and go on.

        Args:
            params: the parameters, a pytree.
            num_classes: number of outputs of the head.
            notes: what is to be said of the weights file.
        """
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
                facts = json.dumps(asdict(Facts(num_classes, checksum(params), tuple(notes))))
                (part / "facts.json").write_text(facts, encoding="utf-8")
                if self.facts() is None:  # else another process was first
                    shutil.rmtree(self.folder, ignore_errors=True)
                    part.rename(self.folder)
            except OSError:
                if self.facts() is None:
                    raise
            finally:
                shutil.rmtree(part, ignore_errors=True)
        except (OSError, ValueError) as error:
            log.warning("%s: the ported weights are not cached: %s", self.folder, error)


def checksum(params: Any) -> int:
    """CRC-32 of the bytes of all arrays in a pytree, in the order of their paths."""
    total = 0
    for leaf in jax.tree.leaves(params):
        total = zlib.crc32(np.ascontiguousarray(leaf).data, total)
    return total


@contextmanager
def _silence() -> Iterator[None]:
    """Keep a damaged checkpoint's page of tracebacks from the terminal; the error is enough."""
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _sweep(folder: Path) -> None:
    """Remove the stale folders that killed processes left unfinished."""
    for part in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):  # another process may have moved it
            if time.time() - part.stat().st_mtime > STALE:
                shutil.rmtree(part, ignore_errors=True)
