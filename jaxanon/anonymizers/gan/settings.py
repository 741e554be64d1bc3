"""The options of a GAN's training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from jaxanon.errors import UsageError

COARSEST = 4
"""Side of the coarsest features, in pixels."""
LARGEST = 256
"""Largest side of the pictures, in pixels."""


@dataclass(frozen=True)
class TrainingSettings:
    """The options of a training: all but the faces and the number of steps.

    Attributes:
        size: side of the pictures in pixels, a power of two.
        batch: pictures per step, on all devices together.
        seed: from 0 to 2**31 - 1; all random numbers follow from it.
        every: steps between two checkpoints, log lines and grids of samples.
        width: channels at full resolution; coarser features have up to four times as many.
        noise: length of the noise vector.
        rate: Adam's learning rate, for both networks.
        penalty: weight of the gradient penalties R1 and R2 at the start.
        relaxed: weight of the gradient penalties after `relaxing` steps; in between it falls
            exponentially.
        relaxing: steps from the start over which the penalties' weight falls.
        half_life: half-life of the generator's running average, in steps.
    """

    size: int = 32
    batch: int = 16
    seed: int = 0
    every: int = 250
    width: int = 24
    noise: int = 64
    rate: float = 4e-4
    penalty: float = 4.0
    relaxed: float = 0.4
    relaxing: int = 2000
    half_life: float = 300

    def __post_init__(self) -> None:
        if self.size & (self.size - 1) or not 4 * COARSEST <= self.size <= LARGEST:
            raise UsageError(
                f"size is {self.size}; it must be a power of two from {4 * COARSEST} to {LARGEST}"
            )
        for name in ("batch", "every", "width", "noise", "relaxing"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.seed < 2**31:  # each network's start has a seed of 32 bits of its own
            raise UsageError(f"seed is {self.seed}; it must be from 0 to {2**31 - 1}")

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the features by level, from full resolution to the coarsest."""
        levels = (self.size // COARSEST).bit_length()
        return tuple(self.width * min(level + 1, 4) for level in range(levels))

    def to_json(self) -> dict[str, Any]:
        """The options as a dictionary of plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingSettings:
        """The options from what `to_json` gave; other entries are ignored.

        Raises:
            KeyError: when a setting is missing.
            UsageError: when one is out of range.
        """
        return cls(**{field.name: values[field.name] for field in fields(cls)})
