"""What an option of the loop says of itself: the field of a dataclass is its one home.

Ranges, choices and help stand beside the default, so that checks, the flags of the command line and
what the compiled program depends on all follow from the field. Nothing here imports JAX: the
command line builds its parser from it, and answers at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import Field, dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar, TypeVar

from jaxanon.errors import UsageError, unknown

Value = int | float | bool | str
"""A value of an option."""
SettingValue = Value | None
"""A change of an option; None leaves it as it is."""
KINDS: dict[type, tuple[type, str]] = {
    bool: (bool, "True or False"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    str: (str, "text"),
}
"""Type of an option's default -> type of its values, in Python and in words."""
Relation = tuple[str, bool, str]
"""Name of an option, whether its value goes with the others, and what it must be to do so."""

T = TypeVar("T")
_KEY = "option"


@dataclass(frozen=True)
class Range:
    """The numbers that an option may be.

    Attributes:
        least: the smallest number allowed, or, if `above`, the bound that it must exceed.
        most: the largest number allowed; None for any finite one, infinity for that one too.
        above: whether `least` itself is excluded.
    """

    least: int
    most: float | None = None
    above: bool = False

    def allows(self, value: float) -> bool:
        """Whether the number is in the range."""
        enough = value > self.least if self.above else value >= self.least
        return enough and (math.isfinite(value) if self.most is None else value <= self.most)

    def __str__(self) -> str:
        bounded = self.most is not None and math.isfinite(self.most)
        if self.above:
            return f"above {self.least}" + (f", at most {self.most}" if bounded else "")
        return f"{self.least} to {self.most}" if bounded else f"{self.least} or more"


@dataclass(frozen=True)
class Option:
    """An option of the loop.

    Attributes:
        name: name of the field, and of the option in `--set NAME=VALUE`.
        default: value of the option unless it is changed; its type is the option's.
        help: what it does, in words that need no context.
        data: whether the compiled program takes it as data, so that another value compiles nothing.
        range: numbers that it may be; None for any.
        choices: gives the words that it may be, when asked; None for any.
        flag: whether the command line has a flag of this name, and not only `--set`.
    """

    name: str
    default: Value
    help: str
    data: bool
    range: Range | None
    choices: Callable[[], Iterable[str]] | None
    flag: bool

    def check(self, value: Value) -> None:
        """Raise UsageError, which says what it must be, for a value that cannot be."""
        kind, wanted = KINDS[type(self.default)]
        if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):
            raise UsageError(must_be(self.name, value, wanted))
        if self.choices and str(value) not in self.choices():
            raise UsageError(unknown(self.name, str(value), self.choices()))
        if self.range and not self.range.allows(float(value)):
            raise UsageError(must_be(self.name, value, str(self.range)))


def must_be(name: str, value: object, wanted: str) -> str:
    """The text of an error: this option has that value, and must be something else."""
    return f"{name} is {value!r}; it must be {wanted}"


def option(
    default: T,
    *,
    help: str,
    data: bool,
    range: Range | None = None,
    choices: Callable[[], Iterable[str]] | None = None,
    flag: bool = False,
) -> T:
    """The default of a dataclass field that is an option; the arguments are those of `Option`."""
    about = {"help": help, "data": data, "range": range, "choices": choices, "flag": flag}
    return field(default=default, metadata={_KEY: about})


class Options:
    """A group of options: a frozen dataclass whose fields are made by `option`.

    It checks itself when it is made, each option by itself first, then how they go together.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @classmethod
    def options(cls) -> dict[str, Option]:
        """The options of the group, by name."""
        return {
            name: Option(name, getattr(cls, name), **entry.metadata[_KEY])
            for name, entry in cls.__dataclass_fields__.items()
        }

    def __post_init__(self) -> None:
        for name, about in self.options().items():
            about.check(getattr(self, name))
        for name, fine, wanted in self.relations():
            if not fine:
                raise UsageError(must_be(name, getattr(self, name), wanted))

    def _left_out(self, name: str, other: str) -> Relation:
        """That an option stays as it is without another one, on which alone it has an effect."""
        default = self.options()[name].default
        return name, getattr(self, name) == default, f"{default} without {other}: it has no effect"

    def relations(self) -> Iterator[Relation]:
        """Rules between options of the group, for the check of their values."""
        yield from ()
