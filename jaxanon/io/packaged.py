"""Photos that installed packages carry."""

from __future__ import annotations

from pathlib import Path

from jaxanon.errors import UsageError
from jaxanon.runtime.packages import package_folder


def demo_photos() -> list[tuple[Path, int]]:
    """The 20 ImageNet photos that the package foolbox ships, each with its class (0 to 999).

    Raises:
        UsageError: when the package is not installed.
    """
    folder = package_folder("foolbox")
    if folder is None:
        raise UsageError("the demo's photos are missing; pip install 'jaxanon[demo]'")
    photos = sorted(folder.glob("data/imagenet_*.jpg"))
    return [(path, int(path.stem.split("_")[-1])) for path in photos]
