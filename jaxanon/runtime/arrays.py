"""What an image and a mask are as arrays; whatever a caller gives instead is named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jaxanon.errors import UsageError


def check_image(image: object, name: str) -> None:
    """Refuse what is not a picture: an array `(H, W, 3)` of uint8.

    Args:
        image: what a caller gave.
        name: what the error calls it.

    Raises:
        UsageError: naming it, and what it is.
    """
    shape: tuple[int, ...] = getattr(image, "shape", ())
    if getattr(image, "dtype", None) != np.uint8 or len(shape) != 3 or shape[2] != 3:
        raise UsageError(f"{name} is {_kind(image)}, expected uint8 (H, W, 3)")


def check_images(images: Sequence[np.ndarray]) -> None:
    """Refuse what is not a list of pictures, or one array `(images, H, W, 3)` of uint8.

    Raises:
        UsageError: naming the image that is none, by its index.
    """
    if isinstance(images, np.ndarray) and images.ndim == 3:
        raise UsageError("images is one array, not a list of images; for one image give [image]")
    for i, image in enumerate(images):
        check_image(image, f"image {i}")


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


def _kind(given: object) -> str:
    if hasattr(given, "dtype") and hasattr(given, "shape"):
        return f"{given.dtype} {given.shape}"
    return f"a {type(given).__name__}"
