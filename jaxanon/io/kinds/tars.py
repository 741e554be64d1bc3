"""WebDataset shards: tar files in which the members of one sample share their name up to a dot.

`0001.jpg`, `0001.cls`, `0001.json` are the sample `0001` with one picture and what stands beside
it (https://github.com/webdataset/webdataset describes the format).
"""

from __future__ import annotations

import io
import os
import tarfile
import weakref
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from typing import BinaryIO

from jaxanon.errors import ImageError, UsageError, printable
from jaxanon.io.files import size_and_time
from jaxanon.io.inputs import register_inputs
from jaxanon.io.pictures import (
    HEAD,
    SUFFIXES,
    looks_like_picture,
    refuse_hidden_pictures,
    unsafe_name,
)
from jaxanon.io.shards import warn_of_missing

DAMAGE = (OSError, tarfile.TarError, EOFError, ValueError, ArithmeticError, MemoryError)
"""What reading a damaged tar raises."""
OURS = "jaxanon.json"
"""What comes after the key in the name of the record that adapted samples carry."""


@dataclass(frozen=True)
class Member:
    """A file in a tar.

    Attributes:
        name: its whole name.
        offset: where its bytes begin in the tar.
        size: how many they are.
    """

    name: str
    offset: int
    size: int

    @property
    def extension(self) -> str:
        """What comes after the key in its name, such as `jpg` or `seg.png`."""
        return _split(self.name)[1]


@dataclass(frozen=True)
class SampleImage:
    """The picture of a sample: an `InputImage`, with what stands beside it.

    Attributes:
        shard: the tar.
        number: of the sample in it, from 0.
        key: name of the sample in it.
        members: all members of the sample, in their order.
        picture: the one that is the picture; None where that is not clear.
        trouble: why the sample cannot be used; None where it can.
    """

    shard: TarShard
    number: int
    key: str
    members: Sequence[Member]
    picture: Member | None
    trouble: str | None = None

    @property
    def name(self) -> str:
        """The tar's name and the member's, or the sample's."""
        return f"{self.shard.name}/{self.picture.name if self.picture else self.key}"

    @property
    def relative(self) -> PurePath:
        """The member's name below the tar's without its suffix."""
        # What cannot be used may have a name that leads elsewhere.
        below = self.picture.name if self.picture else f"#{self.number}"
        return PurePath(self.shard.path.stem) / PurePosixPath(below)

    @property
    def file(self) -> str:
        """The sample's name below the tar's without its suffix."""
        return PurePosixPath(self.shard.path.stem, self.key).as_posix()

    def carried(self) -> dict[str, bytes]:
        """The other members by their extensions; not the record of an earlier adaptation."""
        others = [one for one in self.members if one is not self.picture and one.extension != OURS]
        return {one.extension: self.shard.read(one) for one in others}

    def open(self) -> BinaryIO:
        if self.trouble is not None:
            raise ImageError(self.trouble)
        assert self.picture is not None
        refuse_hidden_pictures({self.key + "." + n: data for n, data in self.carried().items()})
        return io.BytesIO(self.shard.read(self.picture))

    def fingerprint(self) -> str:
        where = self.picture or Member("", 0, 0)
        return f"{self.shard.fingerprint()}-{where.offset}-{where.size}"


@register_inputs(".tar")
class TarShard:
    """A WebDataset shard: a kind of `Inputs`, one image per sample.

    A sample that is not clear stands among the images: opening it says why. Such are those without
    a picture or with several, with members of one name or with names that lead elsewhere, and links
    and other special members. Members without a dot in their names belong to no sample.

    Args:
        path: path of the tar, which is not compressed.
        name: what reports and error messages call it (default: the path).
        drop: what comes after the key in names of members that are as if they were not there.

    Raises:
        UsageError: when it cannot be read, or is no such tar.
    """

    columns = None

    def __init__(self, path: Path, name: str = "", drop: Collection[str] = ()) -> None:
        self.path, self.name, self._drop = path, name or str(path), drop
        try:
            with tarfile.open(path, "r:") as tar:
                tar.next()
        except DAMAGE as error:
            raise UsageError(
                f"{self.name}: cannot be read as an uncompressed tar: {error}"
            ) from error

    @property
    def length(self) -> int:
        """Number of samples, by the headers of all members; 0 where the tar is damaged."""
        with suppress(ImageError):
            return len(self.samples)
        return 0

    def __iter__(self) -> Iterator[SampleImage]:
        return iter(self.samples)

    def fingerprint(self) -> str:
        """A text that changes with the size and the time of the file, and of what has its name."""
        return size_and_time(self.path)

    def close(self) -> None:
        """Close the file, if it was opened."""
        if "_file" in self.__dict__:
            self._file.close()

    @cached_property
    def _file(self) -> BinaryIO:
        """The file, the same one however often its name is given to another."""
        file = self.path.open("rb")
        weakref.finalize(self, file.close)  # where nobody calls `close`
        return file

    def read(self, member: Member) -> bytes:
        """The bytes of a member.

        Raises:
            OSError: when they cannot be read.
            ImageError: when the tar ends before.
        """
        data = os.pread(self._file.fileno(), member.size, member.offset)
        if len(data) < member.size:
            raise ImageError(f"the tar ends in the middle of {printable(member.name)}")
        return data

    @cached_property
    def samples(self) -> Sequence[SampleImage]:
        """All samples, by their first member.

        Raises:
            ImageError: when the tar is damaged.
        """
        groups: dict[str, list[Member]] = {}
        special: dict[str, str] = {}
        dropped: set[str] = set()
        try:
            with tarfile.open(self.path, "r:") as tar:
                for info in tar:
                    key, extension = _split(info.name)
                    if info.isdir() or extension in self._drop:
                        dropped.add(extension)
                        continue
                    if info.isfile() and not extension:
                        head = self.read(Member("", info.offset_data, min(HEAD, info.size)))
                        if not looks_like_picture(head):
                            continue
                        special[key] = f"the picture {printable(info.name)} has no suffix"
                    groups.setdefault(key, []).append(
                        Member(info.name, info.offset_data, info.size)
                    )
                    if not info.isreg() or info.issparse():
                        special[key] = f"{printable(info.name)} is a link or special file"
                self._check_end(tar.offset)
        except DAMAGE as error:
            raise ImageError(f"{self.name}: damaged: {error}") from error
        warn_of_missing(self.name, {*self._drop} - dropped)
        return [
            self._sample(number, key, group, special.get(key))
            for number, (key, group) in enumerate(groups.items())
        ]

    def _check_end(self, offset: int) -> None:
        """Make sure that nothing but zeros follows: a bad header looks like the end of a tar."""
        with self.path.open("rb") as file:
            file.seek(offset)
            left = file.read(512)
            if len(left) < 512:
                raise ImageError("it is cut off")
            while left:
                if left.strip(b"\0"):
                    raise ImageError(f"what follows byte {offset} is no tar")
                left = file.read(1 << 20)

    def _sample(
        self, number: int, key: str, members: list[Member], trouble: str | None
    ) -> SampleImage:
        for name in (key, *(member.name for member in members)):
            if not trouble and (why := unsafe_name(name)):
                trouble = f"the name {printable(name)} {why}"
        trouble = trouble or _twice(members)
        pictures = [] if trouble else [one for one in members if self._is_picture(one)]
        if not trouble and len(pictures) != 1:
            names = ", ".join(printable(one.name) for one in pictures)
            trouble = (
                f"the sample has {len(pictures)} pictures, {names}; --drop all but one"
                if pictures
                else f"the sample {printable(key)} has no picture"
            )
        picture = None if trouble else pictures[0]
        return SampleImage(self, number, key, members, picture, trouble)

    def _is_picture(self, member: Member) -> bool:
        """Whether its name or its first bytes say that a member is a picture."""
        if member.extension.rpartition(".")[2].lower() in SUFFIXES:
            return True
        head = self.read(Member(member.name, member.offset, min(HEAD, member.size)))
        return looks_like_picture(head)


def _split(name: str) -> tuple[str, str]:
    """The key of a member's sample and the rest of its name, parted at the first dot of the file's.

    The rest is empty where there is no dot but a first one.
    """
    folder, slash, file = name.rpartition("/")
    key, _, extension = file.partition(".")
    return (folder + slash + key, extension) if key else (name, "")


def _twice(members: Sequence[Member]) -> str | None:
    """Why members of a sample exclude each other; None where they do not."""
    names = [one.name for one in members]
    twice = next((name for name in names if names.count(name) > 1), None)
    return None if twice is None else f"{printable(twice)} is in the tar twice"
