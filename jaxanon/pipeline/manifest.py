"""The manifest of a run over shards: per shard its records and a marker, written last.

In the folder `manifest` of the output lie `run.json`, what all results depend on; `NAME.jsonl`, one
record per image of the shard `NAME`; and `NAME.json`, which says that the shard is finished. The
marker decides: a shard without one is made anew. Memory does not grow with the number of images.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.durable import DurableFile, hold, is_held, left_parts_of, write_durably
from jaxanon.io.files import discard
from jaxanon.pipeline.record import Record

FOLDER = "manifest"
"""Its name in the output folder."""
RUN = "run.json"
ATTEMPTS = ".attempts"
"""Ends the name of the folder that has a file for each worker that has begun a shard."""
MOST_ATTEMPTS = 3
"""Times that a shard may be begun by workers that did not live to say what became of it."""


@dataclass(frozen=True)
class ShardDone:
    """What a finished shard came to: its marker.

    Attributes:
        shard: its name, also that of the adapted shard.
        source: a text that changes when the input shard does.
        images: number of images in the input shard.
        failed: how many of them were not adapted; they are in the records alone.
        size: bytes of the adapted shard.
        sha256: digest of the adapted shard.
        records_sha256: digest of the file of its records.
        seconds: time that its images took.
    """

    shard: str
    source: str
    images: int
    failed: int
    size: int
    sha256: str
    records_sha256: str
    seconds: float


class Manifest:
    """The manifest in an output folder, which several processes may write at once.

    Args:
        output: the output folder.
    """

    def __init__(self, output: Path) -> None:
        self.output, self.folder = output, output / FOLDER

    def exists(self) -> bool:
        """Whether a run has begun here."""
        return (self.folder / RUN).exists()

    def begin(self, run: Mapping[str, Any]) -> None:
        """Say what all results depend on, as plain JSON values, of which `settings` must agree.

        Raises:
            UsageError: where the run here has other settings.
            ImageError: when it cannot be written.
        """
        text = f"{json.dumps(run, indent=1)}\n".encode()
        if write_durably(self.folder / RUN, text, first=True):
            return
        found = self.run()
        before, now = found["settings"], json.loads(json.dumps(run["settings"]))
        names = sorted(n for n in {*before, *now} if before.get(n) != now.get(n))
        if names:
            raise UsageError(
                f"{self.folder / RUN}: cannot go on, the settings differ: {', '.join(names)}; "
                "use the same ones, or --overwrite to begin anew"
            )
        more = [name for name in run["inputs"] if name not in set(found["inputs"])]
        if more:
            found["inputs"] = sorted([*found["inputs"], *more])
            write_durably(self.folder / RUN, f"{json.dumps(found, indent=1)}\n".encode())

    def discard_all(self) -> None:
        """Remove all that the run here has made, to begin anew."""
        discard(self.folder / RUN)
        for name in sorted(self.known()):
            for path in (self._marker(name), self.output / name, self._records(name)):
                discard(path)
        self.forgive(self.known())

    def known(self) -> set[str]:
        """Names of the shards that the run here has begun, as far as it was told."""
        found = {path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*")}
        ends = (".jsonl", ".json", ATTEMPTS)
        return {name.removesuffix(end) for name in found for end in ends if name.endswith(end)} - {
            RUN.removesuffix(".json")
        }

    def run(self) -> dict[str, Any]:
        """What `begin` said.

        Raises:
            UsageError: where no run has begun here, or the file is damaged.
        """
        path = self.folder / RUN
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            _ = found["settings"], found["classifiers"]
        except FileNotFoundError as error:
            raise UsageError(f"{self.output}: no run over shards was begun here") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{path}: unreadable ({error!r}); give --overwrite") from error
        return dict(found)

    def done(self, shard: str, source: str | None = None) -> ShardDone | None:
        """The marker of a shard; None where it is not finished, or its file is not there.

        Args:
            shard: its name.
            source: what it must have been made from; None for whatever it was.
        """
        try:
            found = ShardDone(**json.loads(self._marker(shard).read_text(encoding="utf-8")))
            size = (self.output / shard).stat().st_size
            records = hashlib.sha256(self._records(shard).read_bytes()).hexdigest()
        except (OSError, ValueError, TypeError):
            return None
        whole = size == found.size and records == found.records_sha256
        whole = whole and source in (None, found.source)
        return found if whole else None

    @contextmanager
    def attempt(self, shard: str) -> Iterator[None]:
        """While a shard is being made; what kills its worker without a word is counted.

        Raises:
            ImageError: where that has happened `MOST_ATTEMPTS` times.
        """
        folder = self.folder / f"{shard}{ATTEMPTS}"
        before = [path for path in folder.glob("*") if not is_held(path)]
        if len(before) >= MOST_ATTEMPTS:
            names = ", ".join(sorted(path.name for path in before))
            raise ImageError(
                f"set aside: {len(before)} workers died over it ({names}); find out why, and "
                f"remove {folder} to have it tried again"
            )
        mine = folder / f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with mine.open("xb") as file:
                hold(file)
                try:
                    yield
                finally:
                    discard(mine)
        except OSError as error:
            raise ImageError(f"{mine}: cannot be written: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                folder.rmdir()  # unless another one is there

    def forgive(self, shards: Iterable[str]) -> None:
        """Count no attempts against shards, of workers that live no more."""
        for shard in shards:
            folder = self.folder / f"{shard}{ATTEMPTS}"
            for path in folder.glob("*"):
                if not is_held(path):
                    discard(path)
            with suppress(OSError):
                folder.rmdir()

    def forget(self, shard: str) -> None:
        """Take back that a shard is finished, before it is made anew."""
        discard(self._marker(shard))

    def write_records(self, shard: str, records: Iterable[Record]) -> str:
        """Write the records of a shard, in the order of its images; returns their digest."""
        file = DurableFile(self._records(shard))
        try:
            for record in records:
                file.write(f"{json.dumps(asdict(record))}\n".encode())
            file.commit()
        finally:
            file.discard()
        return file.digest

    def finish(self, done: ShardDone) -> None:
        """Say that a shard is finished; what dead processes have left of it is removed."""
        marker, records = self._marker(done.shard), self._records(done.shard)
        write_durably(marker, f"{json.dumps(asdict(done), indent=1)}\n".encode())
        for path in (self.output / done.shard, records, marker):
            for part in left_parts_of(path):
                discard(part)

    def shards(self) -> Iterator[ShardDone]:
        """The markers of all finished shards, by name."""
        for path in sorted(self.folder.rglob("*.json")):
            name = path.relative_to(self.folder).with_suffix("").as_posix()
            if path != self.folder / RUN and (found := self.done(name)):
                yield found

    def records(self, done: ShardDone) -> Iterator[Record]:
        """The records of a finished shard.

        Raises:
            UsageError: where they are damaged.
        """
        path = self._records(done.shard)
        try:
            with path.open(encoding="utf-8") as file:
                for line in file:
                    yield Record(**json.loads(line))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{path}: unreadable ({error!r})") from error

    def _marker(self, shard: str) -> Path:
        return self.folder / f"{shard}.json"

    def _records(self, shard: str) -> Path:
        return self.folder / f"{shard}.jsonl"
