"""All options of the loop together, and the named choices of them, the presets.

JAX is not imported before settings are made: the command line builds its flags from the fields.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from jaxanon.adaptation.option import Range, Relation, SettingValue, option
from jaxanon.adaptation.option_groups import RandomTransforms, Stopping, UpdateRule
from jaxanon.classifiers.keeping import TOP1, Keep, keeping
from jaxanon.errors import UsageError, unknown

if TYPE_CHECKING:
    import numpy as np
    from jax.typing import ArrayLike

Goal = Literal["keep", "avoid", "reach"]
Precision = Literal["auto", "float32", "bfloat16"]
Success = Literal["kept", "fooled", "reached"]
STATUS: dict[Goal, Success] = {"keep": "kept", "avoid": "fooled", "reach": "reached"}
"""What an image is called whose sources all do what the goal asks for."""


@dataclass(frozen=True, kw_only=True)
class Settings(Stopping, RandomTransforms, UpdateRule):
    """Settings of the adaptation: update rule, random transforms, stopping, bound, precision.

    Changed copies are made by `dataclasses.replace` or `preset`. `Settings.options()` holds the
    default, the range or choices and the help of each.

    Raises:
        UsageError: for a value that cannot be; it names the option and what it must be.
    """

    goal: Goal = option(
        "keep",
        help="keep the decisions given (adaptation), avoid them (an untargeted attack), or reach "
        "them, which the attacker has chosen (a targeted attack)",
        data=False,
        choices=lambda: get_args(Goal),
    )
    keep: str = option(
        TOP1.text,
        help="what each classifier is to keep: top1, its largest class; topK, such as top3, the "
        "set of its K largest classes; topK!, such as top3!, their order, too; labels, all classes "
        "whose sigmoid is at or above its threshold, for heads with several sigmoids",
        data=False,
        flag=True,
    )
    eps: int = option(
        16, help="largest change of a pixel, in 1/255", data=True, range=Range(1, 255), flag=True
    )
    luma_weight: float = option(
        0.0,
        help="how much less a channel may change, the more it counts towards luma: the bounds of "
        "red, green and blue are eps times (luma of blue / luma of the channel) to this power, "
        "rounded; 0 is eps for each; more lowers red and green, so that eps can be larger for what "
        "is seen",
        data=True,
        range=Range(0, 1),
    )
    keep_grey: bool = option(
        False,
        help="let images that are grey before adaptation come out grey: their perturbation has one "
        "channel in place of three",
        data=False,
        flag=True,
    )
    precision: Precision = option(
        "auto",
        help="number format of the classifiers while gradients are computed; auto is bfloat16 on "
        "GPUs and TPUs and float32 on CPUs; the decisions that count, on originals and saved "
        "files, are always made in float32",
        data=False,
        choices=lambda: get_args(Precision),
        flag=True,
    )

    def relations(self) -> Iterator[Relation]:
        """Rules between options, for the check of their values."""
        wanted = "another for an attack: soft pulls the image back to the original"
        yield "loss", self.goal == "keep" or not self.needs_soft_labels, wanted
        yield "minimise", self.goal == "keep" or not self.minimise, "False for an attack"
        several = self.keeping.several
        yield "keep", self.goal == "keep" or not several, f"{TOP1.text} for an attack"
        if several:
            from jaxanon.adaptation.losses import losses_of  # JAX, not before it is needed

            fit = losses_of(self.keeping)
            yield "loss", self.loss in fit, f"one of {', '.join(fit)}, for keep {self.keep}"
        yield from super().relations()

    @property
    def bounds(self) -> np.ndarray:
        """Largest change of a pixel's red, green and blue, in levels (1/255): `(3,)` uint8."""
        import numpy as np  # not for the help texts

        from jaxanon.adaptation.compression import TO_YCC

        luma = TO_YCC[0]
        bounds = np.maximum(self.eps * (luma.min() / luma) ** self.luma_weight, 1).round()
        return np.asarray(bounds, np.uint8)

    @property
    def spends_all(self) -> bool:
        """Whether images take all steps, but for the final ones."""
        return bool(self.confidence == math.inf or (self.random and self.patience >= self.steps))

    @property
    def gradients(self) -> int:
        """Gradients of each source that one step takes."""
        return self.num_copies + self.num_neighbors

    @property
    def keeping(self) -> Keep:
        """What of a classifier's classes is to be kept."""
        return keeping(self.keep)

    @property
    def success(self) -> Success:
        """The status of an image on which every source does what the goal asks for."""
        return STATUS[self.goal]

    def reached(self, decisions: ArrayLike, wanted: ArrayLike) -> np.ndarray:
        """Where decisions on adapted images are what the goal asks for; bool, one of each.

        Args:
            decisions: int, of any shape, made on adapted images; where a decision is more than a
                class, the last axis is its own.
            wanted: int, of the same shape, or one that broadcasts: the decisions to keep, to avoid
                or to reach.
        """
        same = self.keeping.same(decisions, wanted)
        return ~same if self.goal == "avoid" else same

    def recorded(self) -> dict[str, SettingValue]:
        """The settings as journals and reports have them, plain values of JSON.

        The rule `top1` goes without saying, as in those of earlier versions.
        """
        values = {key: str(v) if v == math.inf else v for key, v in asdict(self).items()}
        return {key: v for key, v in values.items() if key != "keep" or v != TOP1.text}

    def on(self, platform: str) -> Settings:
        """These settings on a kind of device, "cpu", "gpu" or "tpu": its number format, if `auto`.

        On accelerators bfloat16 halves the bytes of a step; CPUs are slower in it.
        """
        if self.precision != "auto":
            return self
        return replace(self, precision="float32" if platform == "cpu" else "bfloat16")

    def compiled(self) -> Settings:
        """These settings, with what the compiled program takes as data at its default.

        Runs that differ in bound, steps, confidence, retries or seed share one program.
        """
        return with_changes(self, {o.name: o.default for o in self.options().values() if o.data})


Settings.__doc__ = f"{inspect.cleandoc(Settings.__doc__ or '')}\n\nAttributes:\n" + "\n".join(
    f"    {option.name}: {option.help} (default: {option.default!r})."
    for option in Settings.options().values()
)

_TRANSFER: dict[str, SettingValue] = {
    "transforms": "zoom,flip",
    "rule": "dual_averaging",
    "smoothing": 1.5,
    "confidence": 1.0,
    "patience": 1_000_000,
    "final_fraction": 0.3,
}
PRESETS: dict[str, dict[str, SettingValue]] = {
    "fast": {},
    "balanced": {**_TRANSFER, "steps": 40},
    "transfer": _TRANSFER,
}
"""Named choices of settings, as changes of the defaults of the single options."""
DEFAULT = "balanced"
"""The preset where none is named: one whose images other classifiers understand, too."""

FORMER_NAMES = {
    "views": "transforms",
    "step": "step_size",
    "variance": "num_neighbors",
    "copies": "num_copies",
    "fusion": "ensemble_mode",
    "margin": "confidence",
    "margin_step": "confidence_step",
    "closing": "final_fraction",
    "rounds": "max_retries",
    "portion": "verify_every",
}
"""Names that options had in earlier versions -> their names now."""


def preset(name: str = DEFAULT, **changes: SettingValue) -> Settings:
    """A named choice of settings, with changes.

    `fast` stops as soon as every source makes its reference decision. `transfer` spends all steps
    on random transforms of the image, so that the decisions also hold on other classifiers, and
    changes it by what all of them agree on; `balanced` does so in 40 steps in place of 100.

    Args:
        name: `fast`, `balanced` or `transfer`.
        changes: fields of `Settings`, such as `eps=8` or `seed=1`; None leaves a field as it is.

    Raises:
        UsageError: for an unknown name or a value out of range.
    """
    if not isinstance(name, str) or name not in PRESETS:
        raise UsageError(unknown("preset", str(name), PRESETS))
    options = Settings.options()
    for change in changes:
        if change not in options:
            raise UsageError(unknown_setting(change, options))
    return with_changes(
        Settings(), PRESETS[name] | {k: v for k, v in changes.items() if v is not None}
    )


def unknown_setting(name: str, known: Mapping[str, object]) -> str:
    """Text for a name that is no setting: what it is called now, or its near matches."""
    if name in FORMER_NAMES:
        return f"{name} was renamed: use {FORMER_NAMES[name]}"
    return unknown("setting", name, known)


def with_changes(settings: Settings, changes: Mapping[str, SettingValue]) -> Settings:
    """A copy with these fields changed; it checks itself, whatever the values are."""
    return replace(settings, **changes)  # type: ignore[arg-type]
