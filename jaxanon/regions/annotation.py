"""What a file of annotations says of one image, whatever the file's format."""

from __future__ import annotations

from dataclasses import dataclass

from jaxanon.regions.shapes import AnnotatedShape

SLACK = 0.01
"""By so much may a share exceed 0 to 1: boxes are rounded, and centres and sizes apart."""


@dataclass(frozen=True)
class Annotation:
    """What is annotated in one image.

    Attributes:
        name: path of the image as the annotation has it, with `/` between folders.
        shapes: the annotated areas.
        size: width and height of the image, in pixels, as the annotation has them; None where it
            does not say.
        shares: whether coordinates are shares of width and height, 0 to 1, rather than pixels.
        unclear: why it cannot be said what is private in the image; None where that is clear.
    """

    name: str
    shapes: tuple[AnnotatedShape, ...]
    size: tuple[int, int] | None = None
    shares: bool = False
    unclear: str | None = None


def path_of(name: object) -> str:
    """The path of an image as an annotation gives it, also where it was written on Windows.

    Raises:
        TypeError: when it is no text, or empty.
    """
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"{name!r} is no name of an image")
    return name.strip().replace("\\", "/")


def size_of(width: object, height: object) -> tuple[int, int] | None:
    """Width and height as an annotation gives them; None where it does not say, or says 0."""
    try:
        size = int(str(width)), int(str(height))
    except ValueError:
        return None
    return size if min(size) > 0 else None
