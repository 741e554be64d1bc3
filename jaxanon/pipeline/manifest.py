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
from typing import Any

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.files import SUFFIX
from jaxanon.io.folder_shards import files_of
from jaxanon.io.shard_kinds import LISTS, file_of, is_list_of_files
from jaxanon.io.slices import GIVEN, LISTING, possible_files
from jaxanon.io.stores.store import Store
from jaxanon.pipeline import shard_gallery
from jaxanon.pipeline.record import Record

FOLDER = "manifest"
"""Its name in the output folder."""
RUN = "run.json"
TABLE = f"{LISTS}/records.parquet"
"""The records of all finished shards, as a table."""
METADATA = "metadata.jsonl"
"""What image folders have it called (https://huggingface.co/docs/datasets/image_dataset)."""
ATTEMPTS = ".attempts"
"""Ends the name of the folder that has a file for each worker that has begun a shard."""
MOST_ATTEMPTS = 3
"""Times that a shard may be begun by workers that did not live to say what became of it."""


@dataclass(frozen=True)
class ShardDone:
    """What a finished shard came to: its marker.

    Attributes:
        shard: its name, also that of the adapted shard.
        file: the file that is whole when the shard is: the adapted shard, or the list of its files.
        source: a text that changes when the input shard does.
        images: number of images in the input shard.
        failed: how many of them were not adapted; they are in the records alone.
        size: bytes of that file.
        sha256: digest of it.
        records_size: bytes of the file of its records.
        records_sha256: digest of it.
        seconds: time that its images took.
    """

    shard: str
    file: str
    source: str
    images: int
    failed: int
    size: int
    sha256: str
    records_size: int
    records_sha256: str
    seconds: float


class Manifest:
    """The manifest in an output folder, which several processes may write at once.

    Args:
        store: the output folder.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def exists(self) -> bool:
        """Whether a run has begun here."""
        return self.store.exists(f"{FOLDER}/{RUN}")

    def begin(self, run: Mapping[str, Any]) -> None:
        """Say what all results depend on, as plain JSON values, of which `settings` must agree.

        Raises:
            UsageError: where the run here has other settings.
            ImageError: when it cannot be written.
        """
        path = f"{FOLDER}/{RUN}"
        if self.store.write(path, f"{json.dumps(run, indent=1)}\n".encode(), first=True):
            return
        found = self.run()
        before, now = found["settings"], json.loads(json.dumps(run["settings"]))
        names = sorted(n for n in {*before, *now} if before.get(n) != now.get(n))
        if names:
            raise UsageError(
                f"{self.store.name}/{path}: cannot go on, the settings differ: {', '.join(names)}; "
                "use the same ones, or --overwrite to begin anew"
            )
        more = [name for name in run["inputs"] if name not in set(found["inputs"])]
        if more:
            found["inputs"] = sorted([*found["inputs"], *more])
            self.store.write(path, f"{json.dumps(found, indent=1)}\n".encode())

    def discard_all(self) -> None:
        """Remove all that the run here has made, to begin anew; nothing where there is none."""
        listed = self.store.exists(LISTING)
        if not (self.exists() or listed):
            return
        files, suffixes = False, tuple(SUFFIX.values())
        with suppress(UsageError):  # damaged
            settings = self.run()["settings"]
            files = settings.get("to") in (None, "folder")
            suffixes = (SUFFIX[settings["format"]],)
        known = sorted(self.known())
        for name in known:
            self.remove_files(name)
            for path in (_marker(name), file_of(name), _records(name)):
                self.store.remove(path)
        self.forgive(known)
        if files and listed:  # a slice that is not finished lists no files
            for made in possible_files(self.store, suffixes):
                self.store.remove(made)
        shard_gallery.discard(self.store)
        for path in (LISTING, GIVEN, TABLE, METADATA, f"{FOLDER}/{RUN}"):
            self.store.remove(path)

    def known(self) -> set[str]:
        """Names of the shards that the run here has begun, as far as it was told."""
        ends = (".jsonl", ".json")
        found = {name.removeprefix(f"{FOLDER}/") for name in self.store.names(FOLDER)}
        found = {name.rpartition(f"{ATTEMPTS}/")[0] or name for name in found}
        return {
            next((name.removesuffix(end) for end in ends if name.endswith(end)), name)
            for name in found
            if name != RUN
        }

    def run(self) -> dict[str, Any]:
        """What `begin` said.

        Raises:
            UsageError: where no run has begun here, or the file is damaged.
        """
        path = f"{FOLDER}/{RUN}"
        try:
            found = json.loads(self.store.read(path))
            _ = found["settings"], found["classifiers"]
        except FileNotFoundError as error:
            raise UsageError(f"{self.store.name}: no run over shards was begun here") from error
        except ImageError:
            raise  # the store does not answer
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self.store.name}/{path}: unreadable ({error!r}); give --overwrite"
            ) from error
        return dict(found)

    def done(self, shard: str, source: str | None = None) -> ShardDone | None:
        """The marker of a shard; None where it is not finished, or its file is not there.

        Args:
            shard: its name.
            source: what it must have been made from; None for whatever it was.
        """
        try:
            found = ShardDone(**json.loads(self.store.read(_marker(shard))))
            sizes = self.store.size(found.file), self.store.size(_records(shard))
        except ImageError:
            raise  # the store does not answer
        except (OSError, ValueError, TypeError):
            return None
        whole = sizes == (found.size, found.records_size) and source in (None, found.source)
        return found if whole else None

    def deaths(self, shard: str) -> int:
        """How many workers have begun a shard, and did not live to say what became of it.

        Raises:
            ImageError: where they are `MOST_ATTEMPTS` or more.
        """
        before = [name for name in self._attempts(shard) if not self.store.is_held(name)]
        if len(before) >= MOST_ATTEMPTS:
            names = ", ".join(name.rpartition("/")[2] for name in before)
            raise ImageError(
                f"set aside: {len(before)} workers died over it ({names}); find out why, and "
                f"remove {self.store.name}/{FOLDER}/{shard}{ATTEMPTS} to have it tried again"
            )
        return len(before)

    @contextmanager
    def attempt(self, shard: str) -> Iterator[None]:
        """While a shard is being made; what kills its worker without a word is counted."""
        mine = f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(4)}"
        with self.store.hold(f"{FOLDER}/{shard}{ATTEMPTS}/{mine}"):
            yield

    def forgive(self, shards: Iterable[str]) -> None:
        """Count no attempts against shards, of workers that live no more; asks the store once."""
        wanted = {f"{FOLDER}/{shard}{ATTEMPTS}" for shard in shards}
        found = [n for n in self.store.names(FOLDER) if n.rpartition("/")[0] in wanted]
        for name in found:
            if not self.store.is_held(name):
                self.store.remove(name)

    def forget(self, shard: str) -> None:
        """Take back that a shard is finished, before it is made anew."""
        self.store.remove(_marker(shard))

    def remove_files(self, shard: str) -> None:
        """Remove the files that the list of a shard names; not all may be made again."""
        path = file_of(shard)
        if is_list_of_files(path) and self.store.exists(path):
            for made in files_of(self.store, path):
                self.store.remove(made)

    def write_records(self, shard: str, records: Iterable[Record]) -> tuple[int, str]:
        """Write the records of a shard, in the order of its images; their bytes and digest."""
        file = self.store.create(_records(shard))
        try:
            for record in records:
                file.write(f"{json.dumps(asdict(record))}\n".encode())
            file.commit()
        finally:
            file.discard()
        return file.size, file.digest

    def finish(self, done: ShardDone) -> None:
        """Say that a shard is finished; what dead processes have left of it is removed."""
        marker = _marker(done.shard)
        self.store.write(marker, f"{json.dumps(asdict(done), indent=1)}\n".encode())
        for name in (done.file, _records(done.shard), marker):
            self.store.remove_parts(name)

    def shards(self) -> Iterator[ShardDone]:
        """The markers of all finished shards, by name."""
        for path in self.store.names(FOLDER):
            name = path.removeprefix(f"{FOLDER}/").removesuffix(".json")
            if path.endswith(".json") and path != f"{FOLDER}/{RUN}" and (found := self.done(name)):
                yield found

    def records(self, done: ShardDone) -> Iterator[Record]:
        """The records of a finished shard, one after the other.

        Raises:
            UsageError: where they are damaged.
        """
        path, digest = _records(done.shard), hashlib.sha256()
        try:
            for line in self.store.lines(path):
                digest.update(line)
                yield Record(**json.loads(line))
            if digest.hexdigest() != done.records_sha256:
                raise ValueError("its digest is not that of the marker")
        except ImageError:
            raise  # the store does not answer
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{self.store.name}/{path}: unreadable ({error!r})") from error

    def _attempts(self, shard: str) -> list[str]:
        """The files of those who have begun a shard, and not ended it."""
        return list(self.store.names(f"{FOLDER}/{shard}{ATTEMPTS}"))


def _marker(shard: str) -> str:
    return f"{FOLDER}/{shard}.json"


def _records(shard: str) -> str:
    return f"{FOLDER}/{shard}.jsonl"
