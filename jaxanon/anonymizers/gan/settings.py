"""What a training depends on, besides the faces."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from jaxanon.errors import UsageError

COARSEST = 4
"""Side of the coarsest features, in pixels."""
LARGEST = 256


@dataclass(frozen=True)
class TrainingSettings:
    """All that makes two trainings on the same faces differ, but for their length.

    Attributes:
        size: side of the pictures in pixels, a power of two.
        batch: pictures per step, on all devices together.
        seed: all random numbers follow from it.
        every: steps between two checkpoints, log lines and grids of samples.
        width: channels at full resolution; coarser features have up to four times as many.
        noise: length of the noise vector.
        rate: Adam's step size, of both networks.
        penalty: weight of the squared gradient by pixels in [0, 1] at the start, `losses.py`.
        relaxed: its weight at the end of `relaxing`; in between it falls exponentially.
        relaxing: steps, counted from the start.
        half_life: of the generator's running average, in steps.
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
        """As a dictionary of plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TrainingSettings:
        """The reverse; what is not a setting is left out.

        Raises:
            KeyError: when a setting is missing.
            UsageError: when one is out of range.
        """
        return cls(**{field.name: values[field.name] for field in fields(cls)})
