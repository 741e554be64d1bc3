"""The preprocessing that a classifier from outside leaves to us, from a JSON file as timm's."""

from __future__ import annotations

from pathlib import Path

from jaxanon.classifiers.config import Config
from jaxanon.classifiers.config_file import from_hub
from jaxanon.errors import UsageError, WeightsError

USUAL = Config(
    input_size=224,
    crop_pct=0.875,
    interpolation="bicubic",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    num_classes=1000,
    licence="unknown",
    origin="",
    thresholds=None,
)
"""What holds where the file says nothing: the usual one of ImageNet's classifiers."""


def read(name: str, path: Path) -> Config:
    """The preprocessing that a file states.

    Args:
        name: of the classifier, for errors.
        path: JSON with `input_size`, `crop_pct`, `interpolation`, `mean`, `std`, as timm writes it.

    Raises:
        UsageError: when it is missing or wrong.
    """
    if not path.is_file():
        raise UsageError(
            f"{name}: how are its images preprocessed? Put {path.name} beside it, or give "
            "#preprocess=FILE: JSON with input_size, crop_pct, interpolation, mean and std"
        )
    try:
        return from_hub(USUAL, path).config
    except WeightsError as error:
        raise UsageError(f"{name}: {error}") from error
