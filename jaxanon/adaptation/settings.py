"""How to adapt: the options of the loop, and the two named choices of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from numbers import Integral
from typing import Any, Literal

import numpy as np
from jax.typing import ArrayLike

from jaxanon.adaptation import transforms
from jaxanon.errors import UsageError, unknown

CHOICES = {
    "goal": ("keep", "avoid", "reach"),
    "loss": ("cross_entropy", "logit", "margin", "soft"),
    "ensemble_mode": ("losses", "logits", "subset"),
    "rule": ("sign", "proportional"),
    "precision": ("float32", "bfloat16"),
}

Success = Literal["kept", "fooled", "reached"]
STATUS: dict[str, Success] = {"keep": "kept", "avoid": "fooled", "reach": "reached"}
"""What an image is called whose sources all do what the goal asks for."""


@dataclass(frozen=True)
class Settings:
    """Options of the loop.

    Attributes:
        goal: `keep` the decisions given (adaptation), `avoid` them (an untargeted attack), or
            `reach` them, which the attacker has chosen (a targeted attack).
        eps: largest change of a pixel, in 1/255.
        steps: most steps per image, over all rounds.
        step_size: length of a step, in 1/255.
        rule: every pixel moves by the length of a step, by the gradient's `sign`; or in
            `proportional` measure, by that length on average and twice as much at most.
        momentum: decay of the accumulated gradient; 0 is plain sign steps.
        nesterov: look ahead along the accumulated gradient.
        smoothing: standard deviation, in cells of the canvas, of the Gaussian by which gradients
            are smoothed (translation invariance); 0 is none.
        num_neighbors: gradients at random places nearby that tune each step's; 0 is none.
        num_copies: random transforms of the image whose gradients are averaged in a step.
        loss: `cross_entropy`, `logit`, `margin`, or `soft` (the distance to all probabilities on
            the original, which reveals more than decisions do).
        ensemble_mode: how sources are put together: `losses` summed, mean `logits`, or the losses
            of a random `subset` of half of them at each step.
        transforms: random changes of what the sources see, such as `resize:0.2,flip`; see
            `jaxanon.adaptation.transforms`.
        mixup: probability with which a layer's output is mixed with that of a generated picture
            (clean feature mixup); 0 is none.
        confidence: logit distance by which a source must prefer its reference decision before it
            counts as convinced; infinity spends all steps.
        patience: random transforms in a row, one per step, in which all sources must be convinced
            before the image is done. Without `transforms` or `mixup` it is 1.
        final_fraction: share of the steps, the last ones, that look at the image without random
            changes, as the verification will, and end with the first in which all sources are
            convinced. If the very first does that, random transforms go on until a sixth of them is
            left.
        max_retries: times an image whose saved file fails verification is put back, each time with
            a `confidence` raised by `confidence_step`.
        confidence_step: see `max_retries`; logits.
        verify_every: most steps between two verifications of the saved file, each time with final
            steps of their own; 0 is all of them at once.
        precision: `float32` or `bfloat16`, of the classifiers while gradients are computed. The
            decisions that count, on originals and saved files, are always made in float32.
        seed: of the random transforms; with the image's content it determines the result, on the
            same kind of devices and with as many slots (otherwise sums are rounded in another
            order).
    """

    goal: str = "keep"
    eps: int = 16
    steps: int = 100
    step_size: float = 1.0
    rule: str = "sign"
    momentum: float = 1.0
    nesterov: bool = False
    smoothing: float = 0.0
    num_neighbors: int = 0
    num_copies: int = 1
    loss: str = "cross_entropy"
    ensemble_mode: str = "losses"
    transforms: str = ""
    mixup: float = 0.0
    confidence: float = 0.5
    patience: int = 1
    final_fraction: float = 0.0
    max_retries: int = 3
    confidence_step: float = 1.5
    verify_every: int = 0
    precision: str = "float32"
    seed: int = 0

    @property
    def random(self) -> bool:
        """Whether steps look at anything but the image as it is."""
        return bool(self.transforms or self.mixup)

    @property
    def spends_all(self) -> bool:
        """Whether images take all steps, but for the final ones."""
        return bool(self.confidence == math.inf or (self.random and self.patience >= self.steps))

    @property
    def max_verifications(self) -> int:
        """How often the saved file of an image is verified at most."""
        planned = math.ceil(self.steps / self.verify_every) if self.verify_every else 1
        return planned + self.max_retries

    def steps_to_verification(self, left: int) -> int:
        """Of the steps that are left, how many are made before the next verification."""
        return min(left, self.verify_every or left)

    @property
    def gradients(self) -> int:
        """Gradients of each source that one step takes."""
        return self.num_copies + self.num_neighbors

    @property
    def success(self) -> Success:
        """The status of an image that got there."""
        return STATUS[self.goal]

    def reached(self, made: ArrayLike, decisions: ArrayLike) -> np.ndarray:
        """Where decisions made on adapted images are what the goal asks for; bool."""
        same = np.equal(made, decisions)
        return ~same if self.goal == "avoid" else same

    def compiled(self) -> Settings:
        """What the compiled program depends on; the rest, which it takes as data, at its default.

        Runs that differ in bound, steps, confidence, retries or seed share one program.
        """
        data = (
            "eps", "steps", "confidence", "patience", "final_fraction", "max_retries",
            "confidence_step", "verify_every", "seed",
        )  # fmt: skip
        defaults = {field.name: field.default for field in fields(self) if field.name in data}
        return replace(self, **defaults)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(unknown(name, getattr(self, name), choices))
        transforms.parse(self.transforms)
        for field in fields(self):
            value = getattr(self, field.name)
            whole = isinstance(value, Integral) and not isinstance(value, bool)
            if type(field.default) is int and not whole:
                raise UsageError(f"{field.name} is {value}; it must be a whole number")
        checks = (
            (
                "loss",
                self.goal == "keep" or self.loss != "soft",
                "another for an attack: this one leads back to the original",
            ),
            ("eps", 1 <= self.eps <= 255, "1 to 255"),
            ("steps", 1 <= self.steps <= 100_000, "1 to 100000"),
            ("step_size", 0 < self.step_size <= 255, "above 0, at most 255"),
            ("momentum", 0 <= self.momentum <= 1, "0 to 1"),
            ("nesterov", not self.nesterov or self.momentum > 0, "used with a momentum above 0"),
            ("smoothing", 0 <= self.smoothing <= 64, "0 to 64"),
            ("num_neighbors", 0 <= self.num_neighbors <= 20, "0 to 20"),
            ("num_copies", 1 <= self.num_copies <= 20, "1 to 20"),
            ("num_copies", self.num_copies == 1 or self.random, "1 without transforms or mixup"),
            ("mixup", 0 <= self.mixup <= 1, "0 to 1"),
            ("confidence", self.confidence >= 0, "0 or more"),
            ("patience", self.patience >= 1, "1 or more"),
            ("final_fraction", 0 <= self.final_fraction <= 1, "0 to 1"),
            ("max_retries", self.max_retries >= 0, "0 or more"),
            ("verify_every", 0 <= self.verify_every <= self.steps, "0 to the number of steps"),
            (
                "confidence_step",
                math.isfinite(self.confidence_step) and self.confidence_step > 0,
                "above 0",
            ),
            ("seed", 0 <= self.seed < 2**32, "0 to 2**32 - 1"),
        )
        for name, fine, wanted in checks:
            if not fine:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be {wanted}")


PRESETS: dict[str, Settings] = {
    "fast": Settings(),
    "transfer": Settings(
        step_size=2.0,
        smoothing=1.5,
        transforms="zoom:0.25,flip:0.5",
        confidence=1.0,
        patience=1_000_000,
        final_fraction=0.3,
    ),
}


def preset(name: str, **changes: Any) -> Settings:
    """A named choice of settings, with changes.

    `fast` stops once every source is convinced. `transfer` spends all steps on random transforms of
    the image, so that classifiers outside the ensemble understand it too.

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
