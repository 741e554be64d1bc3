"""The manifest of a run over shards: per shard its records and a marker, written last.

In the folder `manifest` of the output lie `run.json`, what all results depend on; `NAME.jsonl`, one
record per image of the shard `NAME`; and `NAME.json`, which says that the shard is finished. The
marker decides: a shard without one is made anew. Memory does not grow with the number of images.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from jaxanon.errors import ImageError, UsageError
from jaxanon.io.files import SUFFIX, real_path
from jaxanon.io.folder_shards import files_of
from jaxanon.io.shard_kinds import LISTS, file_of, is_list_of_files
from jaxanon.io.slices import GIVEN, LISTING, possible_files
from jaxanon.io.stores.store import Store
from jaxanon.pipeline import shard_gallery
from jaxanon.pipeline.attempts import ATTEMPTS, Attempts
from jaxanon.pipeline.record import Record
from jaxanon.pipeline.shard_done import ShardDone

FOLDER = "manifest"
"""Its name in the output folder."""
RUN = "run.json"
TABLE = f"{LISTS}/records.parquet"
"""The records of all finished shards, as a table."""
METADATA = "metadata.jsonl"
"""What image folders have it called (https://huggingface.co/docs/datasets/image_dataset)."""


class Manifest:
    """The manifest in an output folder, which several processes may write at once.

    Args:
        store: the output folder.

    Attributes:
        attempts: who has begun which shard.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.attempts = Attempts(store, FOLDER)

    def exists(self) -> bool:
        """Whether a run has begun here."""
        return self.store.exists(f"{FOLDER}/{RUN}")

    def begin(self, run: Mapping[str, Any], *, shared: bool = False) -> None:
        """Say what all results depend on, as plain JSON values, of which `settings` must agree.

        Args:
            run: what they depend on.
            shared: whether the inputs are divided among processes, which must all name the same.

        Raises:
            UsageError: where the run here has other settings, or inputs that would fall to nobody.
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
        strange = [name for name in found["inputs"] if name not in set(run["inputs"])]
        if shared and strange:
            raise UsageError(
                f"{self.store.name}/{path}: the run has {strange[0]} as well, which is not among "
                "what was given; all processes of --shard must be given the same"
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
        self.attempts.forgive(known)
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
                f"{self.store.name}/{path}: unreadable ({error!r}); begin anew with --overwrite"
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

    def lost(self, done: ShardDone) -> str | None:
        """A file of a finished unit that is there no more; None where all are.

        Of an object store nothing is asked: that would be one question for each picture.
        """
        if self.store.scratch is None or not is_list_of_files(done.file):
            return None
        return next((n for n in files_of(self.store, done.file) if not self.store.exists(n)), None)

    def refuse_other(self, shard: str, origin: str) -> None:
        """Raise ImageError where what is finished of that name was made of another input."""
        try:
            before = str(json.loads(self.store.read(_marker(shard)))["origin"])
        except ImageError:
            raise  # the store does not answer
        except (OSError, ValueError, TypeError, KeyError):
            return
        if before != origin and (not before or real_path(before) != real_path(origin)):
            raise ImageError(
                f"{self.store.name}/{shard} was made of {before or 'the listing'}, which it would "
                "replace; give each data set an output folder of its own, or --overwrite"
            )

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


def _marker(shard: str) -> str:
    return f"{FOLDER}/{shard}.json"


def _records(shard: str) -> str:
    return f"{FOLDER}/{shard}.jsonl"
