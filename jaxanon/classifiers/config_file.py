"""Reading the `config.json` that lies beside weights, in timm's form."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path
from typing import Any

from jaxanon.classifiers.config import Config, Triple
from jaxanon.errors import WeightsError
from jaxanon.io.json_files import read_json

log = logging.getLogger(__name__)
INTERPOLATIONS = ("bilinear", "bicubic", "lanczos")
"""Names of the filters that a resize may have."""
MOST_CLASSES = 1_000_000
"""More classes than any classifier has."""


@dataclass(frozen=True)
class Stated:
    """What a `config.json` says of the weights beside it.

    Attributes:
        config: preprocessing and provenance; the table's where the file says nothing.
        architecture: timm's name of the architecture, or None where the file has none.
        tag: timm's name of the training run, or None where the file has none.
        num_classes: number of classes, or None where the file has none.
        divided: whether its mean and std were those of pixels in 0 to 255.
    """

    config: Config
    architecture: str | None
    tag: str | None
    num_classes: int | None
    divided: bool


HARMLESS = {"num_classes", "img_size", "drop_rate", "drop_path_rate", "pretrained"}
"""Arguments of a timm model that do not change the network for inference, or are read here."""


def from_hub(table: Config, path: Path, pool: str = "avg") -> Stated:
    """The configuration that a `config.json` of the hub states.

    Args:
        table: the configuration that holds where the file says nothing.
        path: the `config.json`, in timm's form or flat.
        pool: timm's name of the pooling that the architecture has here.

    Raises:
        WeightsError: when the file is not JSON, a value is out of range, or it describes a network
            that differs from the architecture's own.
    """
    try:
        stated = _read(table, read_json(path), pool)
    except (
        OSError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        LookupError,
        RecursionError,
    ) as error:
        raise WeightsError(f"{path}: not a usable classifier configuration: {error}") from error
    if stated.divided:
        log.info("%s: mean and std are those of pixels in 0 to 255: divided by 255", path)
    return stated


def _read(table: Config, data: dict[str, Any], pool: str) -> Stated:
    """What the contents of a `config.json` say; whatever is wrong with them raises."""
    cfg: dict[str, Any] = {**data, **data.get("pretrained_cfg", {})}
    described = data.get("label_descriptions", cfg.get("label_descriptions")) or {}
    labels = _labels(data.get("label_names", cfg.get("label_names")), described)
    tag = cfg.get("tag")
    size = cfg.get("input_size", [3, table.input_size, table.input_size])
    if not isinstance(size, list) or size != [3, int(size[-1]), int(size[-1])]:
        raise ValueError(f"input_size {size} is not [3, side, side]")
    if tag and not re.fullmatch(r"[\w.-]+", str(tag)):
        raise ValueError(f"tag {str(tag)!r} is no name")
    _refuse_other_networks(data, pool)
    stated = data.get("num_classes", cfg.get("num_classes"))
    num_classes = None if stated is None else int(stated)
    mean, std = _triple(cfg.get("mean", table.mean)), _triple(cfg.get("std", table.std))
    divided = _of_bytes(mean, std)
    if divided:
        mean, std = _triple(m / 255 for m in mean), _triple(s / 255 for s in std)
    config = replace(
        table,
        input_size=int(size[1]),
        crop_pct=float(cfg.get("crop_pct", table.crop_pct)),
        interpolation=str(cfg.get("interpolation", table.interpolation)),
        mean=mean,
        std=std,
        num_classes=table.num_classes if num_classes is None else num_classes,
        licence=str(cfg.get("license", table.licence)),
        labels=labels,
        thresholds=_thresholds(data.get("thresholds", cfg.get("thresholds")), table.thresholds),
    )
    if cfg.get("crop_mode", "center") != "center":
        raise ValueError(f"crop_mode {cfg['crop_mode']!r} is not 'center'")
    _refuse_out_of_range(config)
    architecture = data.get("architecture")
    named = None if architecture is None else str(architecture)
    return Stated(config, named, str(tag) if tag else None, num_classes, divided)


def _refuse_other_networks(data: dict[str, Any], pool: str) -> None:
    """Raise ValueError where a `config.json` describes a network other than the family's."""
    if data.get("global_pool", pool) != pool:
        raise ValueError(f"global_pool is {data['global_pool']!r}, ours is {pool!r}")
    usual = {"in_chans": 3, "global_pool": pool}
    other = {
        key: value
        for key, value in data.get("model_args", {}).items()
        if key not in HARMLESS and usual.get(key) != value
    }
    if other:
        raise ValueError(f"model_args change the network: {other}")


def _refuse_out_of_range(config: Config) -> None:
    """Raise ValueError where a value of a configuration cannot be."""
    if config.interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation {config.interpolation!r} is not in {INTERPOLATIONS}")
    if not (0.1 <= config.crop_pct <= 1 and 8 <= config.input_size <= 2048):
        raise ValueError(
            f"crop_pct is {config.crop_pct}, input_size {config.input_size}; they must be in "
            "[0.1, 1] and [8, 2048]"
        )
    if not (all(map(isfinite, config.mean)) and all(0 < s < inf for s in config.std)):
        raise ValueError("mean must be finite and std positive")
    if not 1 <= config.num_classes <= MOST_CLASSES:
        raise ValueError(f"num_classes is {config.num_classes}")


def _labels(names: Any, described: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Names of the classes by number.

    Args:
        names: a list, or a mapping of numbers: timm allows both.
        described: name of a class -> what is to be shown for it, where it is known.
    """
    if not names:
        return None
    if isinstance(names, dict):
        numbered = {int(key): str(value) for key, value in names.items()}
        if max(numbered) >= MOST_CLASSES:
            raise ValueError(f"label_names has a class {max(numbered)}")
        names = [numbered.get(i, f"class {i}") for i in range(max(numbered) + 1)]
    if not isinstance(names, list):
        raise ValueError("label_names is neither a list nor a mapping from class numbers")
    return tuple(str(described.get(str(name), name)) for name in names)


def _thresholds(stated: Any, otherwise: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Probabilities from which on labels are present: one for all, or a list by class.

    Args:
        stated: a number, or a list of them; None where the file has none.
        otherwise: what holds then.
    """
    if stated is None:
        return otherwise
    values = tuple(map(float, stated)) if isinstance(stated, list) else (float(stated),)
    if not values or not all(0 < value < 1 for value in values):
        raise ValueError(f"thresholds {stated!r} must be between 0 and 1, one or one per class")
    return values


def _of_bytes(mean: Triple, std: Triple) -> bool:
    """Whether mean and standard deviation are those of pixels in [0, 255] rather than [0, 1].

    Raises:
        ValueError: where they contradict each other.
    """
    if max(mean) > 1 or (max(std) > 1 and not any(mean)):
        if min(mean) < 0 or max(mean) > 255 or min(std) < 1 or max(std) > 255:
            raise ValueError(f"mean {mean} and std {std} are neither of pixels in 0..1 nor 0..255")
        return True
    if max(std) > 1:
        raise ValueError(f"mean {mean} is of pixels in 0..1, std {std} of pixels in 0..255")
    return False


def _triple(values: Any) -> Triple:
    r, g, b = (float(v) for v in values)
    return r, g, b
