"""The options of the loop in three groups: the update rule, the random transforms, the stopping.

Each group is a frozen dataclass that can be made and checked alone; `Settings` inherits all three.
The registries of losses and of ensemble modes are imported when their names are asked for, and not
before: they import JAX.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from jaxanon.adaptation.option import Options, Range, Relation, option

Rule = Literal["sign", "proportional", "adam", "dual_averaging"]
SHARE = Range(0, 1)


def loss_names() -> Iterable[str]:
    """Names of the losses."""
    from jaxanon.adaptation.losses import LOSSES

    return LOSSES


def ensemble_mode_names() -> Iterable[str]:
    """Names of the ways to put several sources together."""
    from jaxanon.adaptation.ensemble_modes import ENSEMBLE_MODES

    return ENSEMBLE_MODES


@dataclass(frozen=True, kw_only=True)
class UpdateRule(Options):
    """How a gradient step moves the perturbation, and of what it is the gradient."""

    step_size: float = option(
        1.0,
        help="length of a gradient step, in 1/255; with dual_averaging the amplitude before the "
        "first step",
        data=False,
        range=Range(0, 255, above=True),
    )
    rule: Rule = option(
        "sign",
        help="how a step moves each pixel: sign, by the step size, along the gradient's sign; "
        "proportional, in proportion to the gradient, by the step size on average and twice as "
        "much at most; adam, by less the more the gradient differed from step to step; "
        "dual_averaging, to where all gradients since the start agree, as far as the sources need",
        data=False,
        choices=lambda: get_args(Rule),
    )
    transform_confidence: float = option(
        10.0,
        help="with dual_averaging, logits to which the amplitude is adjusted: it grows at each "
        "step at which a source prefers what it is to decide by less, up to eps, and shrinks at "
        "others; with ensemble_mode=drawn the source of that step",
        data=False,
        range=Range(0, math.inf),
    )
    momentum: float = option(
        1.0,
        help="decay of the accumulated gradient; 0 is the last gradient alone",
        data=False,
        range=SHARE,
    )
    nesterov: bool = option(
        False, help="look ahead along the accumulated gradient (Nesterov)", data=False
    )
    smoothing: float = option(
        0.0,
        help="standard deviation, in cells of the canvas, of the Gaussian by which gradients are "
        "smoothed (translation invariance); 0 is none",
        data=False,
        range=Range(0, 64),
    )
    num_neighbors: int = option(
        0,
        help="gradients at random places nearby that tune each step's (variance tuning); 0 is none",
        data=False,
        range=Range(0, 20),
    )
    loss: str = option(
        "cross_entropy",
        help="what gradient steps make small; soft is the distance to all probabilities on the "
        "original, which reveals more of it than decisions do",
        data=False,
        choices=loss_names,
        flag=True,
    )
    ensemble_mode: str = option(
        "losses",
        help="how several sources are put together: the sum of their losses, the loss of their "
        "mean logits, or the losses of a random subset, half of them, at each step; drawn, the "
        "loss of one alone, a random one at each step, so that many cost as much as one",
        data=False,
        choices=ensemble_mode_names,
    )

    def relations(self) -> Iterator[Relation]:
        """How the options of the group go together."""
        forward = not self.nesterov or self.momentum > 0
        yield "nesterov", forward, "used with a momentum above 0"
        yield "momentum", self.rule != "adam" or self.momentum < 1, "below 1 with the rule adam"
        if self.rule != "dual_averaging":
            yield self._left_out("transform_confidence", "dual_averaging as the rule")
        else:
            yield "momentum", self.momentum > 0, "above 0 with the rule dual_averaging"
            yield "nesterov", not self.nesterov, "False with the rule dual_averaging"
        one_alone = self.draws and self.num_neighbors
        yield "ensemble_mode", not one_alone, "another where num_neighbors is above 0"
        yield from super().relations()

    @property
    def draws(self) -> bool:
        """Whether a step follows one source alone, drawn at random."""
        from jaxanon.adaptation.ensemble_modes import ENSEMBLE_MODES

        return ENSEMBLE_MODES[self.ensemble_mode].one_at_a_time

    @property
    def needs_soft_labels(self) -> bool:
        """Whether the loss asks for the sources' probabilities on the originals."""
        return self.loss == "soft"


@dataclass(frozen=True, kw_only=True)
class RandomTransforms(Options):
    """What is random in a gradient step: so that images transfer to other classifiers."""

    transforms: str = option(
        "",
        help="random changes of what the sources see of the image, such as resize:0.2,flip, a "
        "strength after a colon; empty for none (names: see docs/transfer.md)",
        data=False,
    )
    mixup: float = option(
        0.0,
        help="probability with which a layer's output is mixed with that of a generated picture "
        "(clean feature mixup); 0 is none",
        data=False,
        range=SHARE,
    )
    num_copies: int = option(
        1,
        help="random transforms of the image whose gradients are averaged in a step",
        data=False,
        range=Range(1, 20),
    )
    seed: int = option(
        0,
        help="seed of all random choices; with the image's pixels it determines the result, on "
        "the same kind of devices and with as many slots",
        data=True,
        range=Range(0, 2**32 - 1),
        flag=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.transforms:
            from jaxanon.adaptation.transforms import parse

            parse(self.transforms)

    def relations(self) -> Iterator[Relation]:
        """How the options of the group go together."""
        alone = self.num_copies == 1 or self.random
        yield "num_copies", alone, "1 without transforms or mixup"
        yield from super().relations()

    @property
    def random(self) -> bool:
        """Whether steps look at anything but the image as it is."""
        return bool(self.transforms or self.mixup)


@dataclass(frozen=True, kw_only=True)
class Stopping(Options):
    """When an image is done, how often its saved file is verified, and what follows a failure."""

    steps: int = option(
        100,
        help="most gradient steps per image, over all attempts; a search for what oracles decide "
        "makes more",
        data=True,
        range=Range(1, 100_000),
        flag=True,
    )
    confidence: float = option(
        0.5,
        help="logit distance by which a source must prefer its reference decision to count as "
        "confident; infinity (inf) spends all steps",
        data=True,
        range=Range(0, math.inf),
    )
    patience: int = option(
        1,
        help="random transforms in a row, one per step, in which all sources must be confident "
        "before an image is done; without transforms and mixup it is 1",
        data=True,
        range=Range(1),
    )
    final_fraction: float = option(
        0.0,
        help="share of the steps, the last ones, that look at the image without random changes, as "
        "the verification will, and end with the first in which all sources are confident; if the "
        "very first does that, random transforms go on until a sixth of them is left",
        data=True,
        range=SHARE,
    )
    max_retries: int = option(
        3,
        help="times that an image whose saved file fails its verification is adapted further, each "
        "time with a confidence raised by confidence_step",
        data=True,
        range=Range(0),
    )
    confidence_step: float = option(
        1.5,
        help="logits by which the confidence rises with each retry",
        data=True,
        range=Range(0, above=True),
    )
    verify_every: int = option(
        0,
        help="most steps between two verifications of the saved file, each time with final steps "
        "of their own; 0 verifies once all steps are made",
        data=True,
        range=Range(0),
    )

    minimise: bool = option(
        False,
        help="make each image's change smaller in the end, as long as the sources keep their "
        "decisions and are sure of them (minimise_confidence)",
        data=True,
        flag=True,
    )
    minimise_confidence: float = option(
        15.0,
        help="logits by which every source must prefer its decision after minimise, or as many as "
        "before, if these are fewer; 0 is the decision alone, which other classifiers may miss",
        data=True,
        range=Range(0, math.inf),
    )
    queries: int = option(
        0,
        help="most saved files of an image that the oracles are asked about: while one disagrees, "
        "it moves on; 0 without oracles",
        data=True,
        range=Range(0, 65_535),
        flag=True,
    )

    def relations(self) -> Iterator[Relation]:
        """How the options of the group go together."""
        yield "verify_every", self.verify_every <= self.steps, "0 to the number of steps"
        planned = self._planned_verifications
        yield (
            "queries",
            not 0 < self.queries < planned,  # else they end an image before its steps do
            f"at least {planned}, for so often are {self.steps} steps verified with verify_every "
            f"{self.verify_every}; or make that larger",
        )
        if not self.minimise:
            yield self._left_out("minimise_confidence", "minimise")
        alone = not (self.minimise and self.queries)
        yield (
            "minimise",
            alone,
            "False with oracles, which would be asked of each change",
        )
        yield from super().relations()

    @property
    def _planned_verifications(self) -> int:
        """How often the saved file of an image is verified if all steps are made in turn."""
        return math.ceil(self.steps / self.verify_every) if self.verify_every else 1

    @property
    def max_verifications(self) -> int:
        """How often the saved file of an image is verified at most."""
        return self.queries or self._planned_verifications + self.max_retries

    def steps_to_verification(self, left: int) -> int:
        """How many of the `left` steps that may still be made come before the next verification."""
        return min(left, self.verify_every or left)
