"""The kinds of input: folders, and each further module here that registers itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from jaxanon.errors import UsageError
from jaxanon.io.inputs import INPUT_KINDS, InputImage, Inputs
from jaxanon.io.kinds.folders import Folders
from jaxanon.io.standard_streams import STANDARD, StreamedImage

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def open_inputs(paths: Sequence[Path], *, streamed: bool = False) -> Inputs:
    """The images of files, folders, and of files that hold many images.

    Args:
        paths: as given by the user. A file whose suffix is in `INPUT_KINDS` is opened as such.
        streamed: whether `-` may be among them, which is standard input.

    Raises:
        UsageError: when a path does not exist, or nothing is there.
    """
    if STANDARD in paths and not streamed:
        raise UsageError("- is standard input, which only anonymize and attack can read")
    images = [StreamedImage.read()] if STANDARD in paths else []
    paths = [path for path in paths if path != STANDARD]
    packed = [path for path in paths if path.suffix.lower() in INPUT_KINDS and path.is_file()]
    plain = [path for path in paths if path not in packed]
    parts: list[Inputs] = list(images)
    parts += [Folders(plain)] if plain or not (packed or images) else []
    parts += [INPUT_KINDS[path.suffix.lower()](path) for path in packed]
    return parts[0] if len(parts) == 1 else JoinedInputs(parts)


class JoinedInputs:
    """Several inputs, one after the other: a kind of `Inputs`.

    Args:
        parts: the inputs.
    """

    def __init__(self, parts: Sequence[Inputs]) -> None:
        self.parts = tuple(parts)

    @property
    def name(self) -> str:
        """The names of all parts."""
        return ", ".join(part.name for part in self.parts)

    @property
    def length(self) -> int | None:
        """Number of images of all parts; None where one does not know its own."""
        lengths = [part.length for part in self.parts]
        return None if None in lengths else sum(length or 0 for length in lengths)

    def __iter__(self) -> Iterator[InputImage]:
        for part in self.parts:
            yield from part
