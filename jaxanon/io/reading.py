"""How a picture is to be read, where there is more than one way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import BinaryIO, Literal

from jaxanon.io.inputs import InputImage, Inputs

Colour = Literal["srgb", "as-stored"]


@dataclass(frozen=True)
class Reading:
    """How a picture is to be read.

    Attributes:
        colour: `srgb` converts by the colour profile in the file, if it has one; `as-stored` takes
            the numbers as they are, as timm and torchvision do.
        first_frame: whether of several frames or pages the first is read, rather than refused.
        truncated: whether a JPEG that was cut off is read as far as it goes, rather than refused.
    """

    colour: Colour = "srgb"
    first_frame: bool = False
    truncated: bool = False


@dataclass(frozen=True)
class ReadAs:
    """An image of the inputs that is read in a certain way: an `InputImage` itself.

    Attributes:
        image: the image.
        reading: the way.
    """

    image: InputImage
    reading: Reading

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def relative(self) -> PurePath:
        return self.image.relative

    def open(self) -> BinaryIO:
        return self.image.open()

    def fingerprint(self) -> str:
        return self.image.fingerprint()


@dataclass(frozen=True)
class InputsReadAs:
    """Inputs whose images are read in a certain way: `Inputs` themselves.

    Attributes:
        inputs: the inputs.
        reading: the way.
    """

    inputs: Inputs
    reading: Reading

    @property
    def name(self) -> str:
        return self.inputs.name

    @property
    def length(self) -> int | None:
        return self.inputs.length

    def __iter__(self) -> Iterator[InputImage]:
        for image in self.inputs:
            yield ReadAs(image, self.reading)


def reading_of(encoded: object) -> Reading:
    """How an encoded picture is to be read; as usual, unless it says otherwise."""
    return encoded.reading if isinstance(encoded, ReadAs) else Reading()
