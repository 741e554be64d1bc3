"""What an image, a mask and a class are as arrays; whatever a caller gives instead is named."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from os import PathLike
from typing import Any, TypeGuard

import numpy as np

from jaxanon.errors import UsageError

MOST = 2**20
"""More images at once than any machine holds."""


def as_image(image: object, name: str) -> np.ndarray:
    """A picture as an array `(H, W, 3)` of uint8.

    Args:
        image: such an array of NumPy or JAX, or a picture of Pillow in colour or grey.
        name: what the error calls it.

    Raises:
        UsageError: naming it, what it is, and the way out.
    """
    if isinstance(image, str | PathLike):
        raise UsageError(f"{name} is a path; give read_image({str(image)!r})")
    from PIL import Image  # not before: the help of commands does without it

    if isinstance(image, Image.Image):
        if image.mode not in ("RGB", "L"):
            raise UsageError(
                f"{name} is a picture of Pillow in mode {image.mode}; give image.convert('RGB'), "
                "which shows what an alpha channel hides, or read_image(path), which hides it"
            )
        return np.asarray(image.convert("RGB"))
    shape: tuple[int, ...] = getattr(image, "shape", ())
    if getattr(image, "dtype", None) != np.uint8 or len(shape) != 3 or shape[2] != 3:
        raise UsageError(f"{name} is {_kind(image)}, expected uint8 (H, W, 3)")
    if not all(shape):
        raise UsageError(f"{name} has no pixels: {shape}")
    return np.asarray(image)


def is_grey(image: np.ndarray) -> bool:
    """Whether the channels of an image `(H, W, 3)` are the same in every pixel."""
    return bool((image == image[..., :1]).all())


def as_images(images: object) -> list[np.ndarray]:
    """Pictures as a list of arrays `(H, W, 3)` of uint8.

    Args:
        images: a list or an iterator of what `as_image` takes, or one array `(images, H, W, 3)`.

    Raises:
        UsageError: naming the image that is none, by its index.
    """
    from PIL import Image

    if isinstance(images, str | PathLike | Image.Image) or getattr(images, "ndim", 0) == 3:
        kind = "one array" if hasattr(images, "ndim") else f"a {type(images).__name__}"
        raise UsageError(f"images is {kind}, not a list of images; for one image give [image]")
    if not is_many(images):
        raise UsageError(f"images is {_kind(images)}; give a list of images")
    return [as_image(image, f"image {i}") for i, image in enumerate(images)]


def is_many(given: object) -> TypeGuard[Iterable[Any]]:
    """Whether something has items, one after the other; an array of no dimensions has none."""
    return isinstance(given, Iterable) and getattr(given, "ndim", 1) != 0


def as_count(number: object, name: str) -> int:
    """A number of things, 1 to `MOST`.

    Args:
        number: a whole number, of Python or NumPy.
        name: what the error calls it.

    Raises:
        UsageError: for anything else.
    """
    whole = isinstance(number, Integral) and not isinstance(number, bool)
    if not whole or not 1 <= int(number) <= MOST:  # type: ignore[call-overload]
        raise UsageError(f"{name} is {number!r}; it must be a whole number, at least 1")
    return int(number)  # type: ignore[call-overload,no-any-return]


def check_mask(mask: object, image: np.ndarray, name: str) -> None:
    """Refuse what is not a mask of an image: an array `(H, W)` of bool.

    Args:
        mask: what a caller gave.
        image: the image, `(H, W, 3)`.
        name: what the error calls the mask.

    Raises:
        UsageError: naming it, what it is, and the image's size.
    """
    size = image.shape[:2]
    if getattr(mask, "dtype", None) != np.bool_ or getattr(mask, "shape", ()) != size:
        raise UsageError(f"{name} is {_kind(mask)}, expected bool {size}, the image's (H, W)")


def as_classes(classes: object, name: str) -> np.ndarray:
    """Classes as an array of int, of any shape.

    Args:
        classes: whole numbers, in an array or in lists, also as fractions such as 3.0.
        name: what the error calls them.

    Raises:
        UsageError: for anything else.
    """
    try:
        numbers = np.asarray(classes)
    except Exception as error:  # lists of several lengths; what foreign arrays may raise
        raise UsageError(f"{name}: {error}; give whole numbers, the classes' indices") from error
    whole = not numbers.size
    if numbers.size and numbers.dtype.kind in "iuf":
        least, most = -(2.0**31), 2.0**31  # no class is beyond; what is might wrap around
        whole = bool(((least < numbers) & (numbers < most) & (numbers == np.rint(numbers))).all())
    if not whole:
        raise UsageError(
            f"{name} has values such as {numbers.ravel()[0]!r}; give whole numbers, the classes' "
            "indices"
        )
    return numbers.astype(np.int64)


def _kind(given: object) -> str:
    if hasattr(given, "dtype") and hasattr(given, "shape"):
        return f"{given.dtype} {given.shape}"
    return f"a {type(given).__name__}"
