"""An object store as a store: files are uploaded whole, by fsspec.

https://filesystem-spec.readthedocs.io lists the kinds: `s3://`, `gs://`, `hf://` and many more,
each with a package of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from jaxanon.io.new_file import NewFile
from jaxanon.io.stores.patience import file_system, patiently
from jaxanon.io.stores.store import below
from jaxanon.io.urls import Url


class ObjectStore:
    """What lies below a URL: a `Store`.

    An object shows itself once it is uploaded whole. Whether a process lives cannot be told there.

    Args:
        url: of the folder.

    Raises:
        UsageError: when a package is missing for URLs of that kind.
    """

    scratch = None

    def __init__(self, url: Url) -> None:
        self.url, self._fs = url, file_system(url)
        self._root = str(self._fs._strip_protocol(str(url)))

    @property
    def name(self) -> str:
        """The URL as it was given."""
        return str(self.url)

    def read(self, name: str) -> bytes:
        return bytes(patiently(self.url / name, self._fs.cat_file, self._path(name)))

    def lines(self, name: str) -> Iterator[bytes]:
        with tempfile.NamedTemporaryFile(prefix="jaxanon-") as file:
            patiently(self.url / name, self._fs.get_file, self._path(name), file.name)
            yield from file

    def part(self, name: str, start: int, stop: int) -> bytes:
        read = self._fs.cat_file
        return bytes(patiently(self.url / name, read, self._path(name), start=start, end=stop))

    def size(self, name: str) -> int:
        self._forget()
        return int(patiently(self.url / name, self._fs.info, self._path(name))["size"])

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: str) -> Iterator[str]:
        self._forget()
        try:
            found = patiently(self.url / folder, self._fs.find, self._path(folder))
        except FileNotFoundError:
            found = []
        self._forget()
        yield from sorted(str(path).removeprefix(f"{self._root}/") for path in found)

    def write(self, name: str, data: bytes, *, first: bool = False) -> bool:
        mode = "create" if first else "overwrite"
        try:
            patiently(self.url / name, self._fs.pipe_file, self._path(name), data, mode=mode)
        except FileExistsError:
            return False
        return True

    def create(self, name: str) -> Upload:
        return Upload(self._fs, self._path(name), self.url / name)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            patiently(self.url / name, self._fs.rm_file, self._path(name))

    def remove_parts(self, name: str) -> None:
        """Nothing: what was not uploaded whole does not show itself."""

    def sweep(self) -> None:
        """Nothing, likewise."""

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        self.write(name, b"")
        try:
            yield
        finally:
            with suppress(Exception):  # at once: what else has failed must be told
                self._fs.rm_file(self._path(name))

    def is_held(self, name: str) -> bool:
        return False

    def _path(self, name: str) -> str:
        return f"{self._root}/{below(name)}"

    def _forget(self) -> None:
        """Ask anew for what may have been listed before."""
        self._fs.invalidate_cache()


class Upload(NewFile):
    """A file that waits on this machine until it is whole, then goes up.

    Args:
        fs: where to.
        path: of the object.
        url: the same, for error messages.
    """

    def __init__(self, fs: Any, path: str, url: Url) -> None:
        file = tempfile.NamedTemporaryFile(prefix="jaxanon-")  # noqa: SIM115  # closed by `discard`
        super().__init__(str(url), file)
        self._fs, self._path, self._url = fs, path, url

    def commit(self, *, first: bool = False) -> bool:
        if first and patiently(self._url, self._fs.exists, self._path):
            return False
        try:
            self._file.flush()
        except OSError as error:
            raise self.error(error) from error
        patiently(self._url, self._fs.put_file, self._file.name, self._path)
        self.discard()
        return True
