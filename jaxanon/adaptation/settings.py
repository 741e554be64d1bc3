"""How to adapt: the options of the loop, and the two named choices of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from jaxanon.errors import UsageError, unknown

LOSSES = ("cross_entropy", "margin")
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class Settings:
    """Options of the loop.

    Attributes:
        eps: largest change of a pixel, in 1/255.
        steps: most gradient steps per image, over all rounds.
        step: length of a step, in 1/255.
        momentum: decay of the accumulated gradient; 0 is plain sign steps.
        loss: `cross_entropy` or `margin`.
        margin: logit distance by which a source must prefer its reference decision before the
            image counts as done; infinity spends all steps.
        rounds: times an image whose saved file fails verification is put back, each time with a
            margin raised by `margin_step`.
        margin_step: see `rounds`; logits.
        diversity: strength of the random views (resized diverse inputs): the image is shrunk to a
            random share of its side, from 1 down to 1 / (1 + diversity); 0 is none.
        precision: `float32` or `bfloat16`, of the classifiers while gradients are computed. The
            decisions that count, on originals and saved files, are always made in float32.
        seed: of the random views; together with the image's content it determines the result.
    """

    eps: int = 16
    steps: int = 100
    step: float = 1.0
    momentum: float = 1.0
    loss: str = "cross_entropy"
    margin: float = 0.5
    rounds: int = 3
    margin_step: float = 1.5
    diversity: float = 0.0
    precision: str = "float32"
    seed: int = 0

    def compiled(self) -> Settings:
        """What the compiled program depends on; the rest, which it takes as data, at its default.

        Runs that differ in bound, steps, margin, rounds or seed share one program.
        """
        data = ("eps", "steps", "margin", "rounds", "margin_step", "seed")
        defaults = {field.name: field.default for field in fields(self) if field.name in data}
        return replace(self, **defaults)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise UsageError(unknown("loss", self.loss, LOSSES))
        if self.precision not in PRECISIONS:
            raise UsageError(unknown("precision", self.precision, PRECISIONS))
        checks = (
            ("eps", 1 <= self.eps <= 255 and self.eps == int(self.eps), "a whole number, 1 to 255"),
            ("steps", 1 <= self.steps <= 100_000, "1 to 100000"),
            ("step", 0 < self.step <= 255, "above 0, at most 255"),
            ("momentum", 0 <= self.momentum <= 1, "0 to 1"),
            ("margin", self.margin >= 0, "0 or more"),
            ("rounds", self.rounds >= 0, "0 or more"),
            ("margin_step", math.isfinite(self.margin_step) and self.margin_step > 0, "above 0"),
            ("diversity", 0 <= self.diversity <= 4, "0 to 4"),
            ("seed", 0 <= self.seed < 2**32, "0 to 2**32 - 1"),
        )
        for name, fine, wanted in checks:
            if not fine:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {wanted}")


PRESETS: dict[str, Settings] = {
    "fast": Settings(),
    "transfer": Settings(steps=60, step=2.0, margin=math.inf, diversity=0.2),
}


def preset(name: str, **changes: Any) -> Settings:
    """A named choice of settings, with changes.

    `fast` stops at the first margin. `transfer` spends all steps on random views of the image, so
    that classifiers outside the ensemble understand it too.

    Raises:
        UsageError: for an unknown name or a value out of range.
    """
    if name not in PRESETS:
        raise UsageError(unknown("preset", name, PRESETS))
    known = {field.name for field in fields(Settings)}
    for change in changes:
        if change not in known:
            raise UsageError(unknown("setting", change, known))
    return replace(PRESETS[name], **{k: v for k, v in changes.items() if v is not None})
