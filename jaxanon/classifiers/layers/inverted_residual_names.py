"""How other projects name the parts of a network of inverted residuals."""

from __future__ import annotations

from typing import NamedTuple

from jaxanon.classifiers.layers.inverted_residual import Group, Stages


class BlockPlace(NamedTuple):
    """The place of a block in a network, as timm numbers it.

    Attributes:
        stage: number of the stage, from 0.
        block: number of the block within its stage, from 0.
        group: the run of equal blocks that it belongs to.
    """

    stage: int
    block: int
    group: Group

    @property
    def timm(self) -> str:
        """The block's path in timm's naming."""
        return f"blocks.{self.stage}.{self.block}"


def numbered(stages: Stages, number: int) -> BlockPlace | None:
    """The place of a block by its number, counted from 0 through all stages; None past the last."""
    for i, stage in enumerate(stages):
        before = 0
        for group in stage:
            if number < group.blocks:
                return BlockPlace(i, before + number, group)
            number -= group.blocks
            before += group.blocks
    return None


def torchvision_parts(group: Group) -> dict[str, str]:
    """Torchvision's names of the parts of a block (MobileNetV3, EfficientNet) -> timm's."""
    chain = [("conv_dw", "bn1"), ("conv_pw", "bn2")]
    if group.expand != 1:
        chain = [("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")]
    parts: dict[str, str] = {}
    step = 0
    for conv, norm in chain:
        parts |= {f"block.{step}.0": conv, f"block.{step}.1": norm}
        step += 1
        if conv == "conv_dw" and group.squeeze:
            parts |= {f"block.{step}.fc1": "se.conv_reduce", f"block.{step}.fc2": "se.conv_expand"}
            step += 1
    return parts


def replaced(key: str, place: BlockPlace | None, parts: dict[str, str], part: str) -> str:
    """Timm's key for a part of a block; `key` itself where the block has no such part.

    Args:
        key: the whole key in the other project's naming.
        place: place of the block, or None where it is not known.
        parts: the other project's names of a block's parts -> timm's.
        part: the end of the key: name of the part, and of its array after the last dot.
    """
    name, _, leaf = part.rpartition(".")
    return key if place is None or name not in parts else f"{place.timm}.{parts[name]}.{leaf}"


def top(key: str, names: dict[str, str]) -> str:
    """Timm's key for a layer outside the blocks, by a table (name there -> timm's name)."""
    layer, _, leaf = key.rpartition(".")
    return f"{names[layer]}.{leaf}" if layer in names else key


def torchvision_top(last: int) -> dict[str, str]:
    """Torchvision's names outside the blocks (MobileNetV2, EfficientNet) -> timm's.

    Args:
        last: number of torchvision's last feature layer.
    """
    return {
        "features.0.0": "conv_stem",
        "features.0.1": "bn1",
        f"features.{last}.0": "conv_head",
        f"features.{last}.1": "bn2",
        "classifier.1": "classifier",
    }
