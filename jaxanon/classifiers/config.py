"""What a classifier's weights expect of an image, and where they come from."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import Any

from jaxanon.errors import WeightsError

INTERPOLATIONS = ("bilinear", "bicubic", "lanczos")


@dataclass(frozen=True)
class Config:
    """Preprocessing configuration and provenance of a set of weights.

    Attributes:
        input_size: side of the square view, in pixels.
        crop: share of the resized image's short side that the centre crop keeps.
        interpolation: Pillow's filter for the resize, by name.
        mean: per channel, subtracted from pixels in [0, 1].
        std: per channel, divided by afterwards.
        classes: number of classes of the head.
        licence: SPDX identifier, lower case.
        source: where the weights are published.
        labels: names of the classes, where the weights bring their own.
    """

    input_size: int
    crop: float
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    classes: int
    licence: str
    source: str
    labels: tuple[str, ...] | None = None

    @property
    def resize(self) -> int:
        """Short side of the image after the resize, before the crop (timm's rounding: down)."""
        return int(self.input_size / self.crop)


@dataclass(frozen=True)
class Stated:
    """What a `config.json` says.

    Attributes:
        config: preprocessing and provenance.
        tag: of the weights, or None.
        classes: number of classes, or None.
    """

    config: Config
    tag: str | None
    classes: int | None


def from_hub(table: Config, path: Path) -> Stated:
    """`table` overridden by the `config.json` of a hub-layout folder.

    Raises:
        WeightsError: when the file is not JSON, or a value is out of range.
    """
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        cfg: dict[str, Any] = {**data, **data.get("pretrained_cfg", {})}
        size = cfg.get("input_size", [3, table.input_size, table.input_size])
        if len(size) != 3 or size[0] != 3 or size[1] != size[2]:
            raise ValueError(f"input_size {size} is not [3, side, side]")
        labels, tag = data.get("label_names"), cfg.get("tag")
        stated = data.get("num_classes", cfg.get("num_classes"))
        classes = None if stated is None else int(stated)
        config = replace(
            table,
            input_size=int(size[1]),
            crop=float(cfg.get("crop_pct", table.crop)),
            interpolation=str(cfg.get("interpolation", table.interpolation)),
            mean=_triple(cfg.get("mean", table.mean)),
            std=_triple(cfg.get("std", table.std)),
            classes=table.classes if classes is None else classes,
            licence=str(cfg.get("license", table.licence)),
            labels=tuple(map(str, labels)) if labels else None,
        )
        if config.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation {config.interpolation!r} is not in {INTERPOLATIONS}")
        if cfg.get("crop_mode", "center") != "center":
            raise ValueError(f"crop_mode {cfg['crop_mode']!r} is not 'center'")
        if not (0.1 <= config.crop <= 1 and 8 <= config.input_size <= 2048):
            raise ValueError("crop_pct must be in [0.1, 1] and input_size in [8, 2048]")
        if not (all(map(isfinite, config.mean)) and all(0 < s < inf for s in config.std)):
            raise ValueError("mean must be finite and std positive")
        if not 1 <= config.classes <= 1_000_000:
            raise ValueError(f"num_classes is {config.classes}")
        if config.labels is not None and len(config.labels) != config.classes:
            raise ValueError(f"{len(config.labels)} label_names for {config.classes} classes")
    except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
        raise WeightsError(f"{path}: not a usable classifier configuration: {error}") from error
    return Stated(config, str(tag) if tag else None, classes)


def _triple(values: Any) -> tuple[float, float, float]:
    r, g, b = (float(v) for v in values)
    return r, g, b
