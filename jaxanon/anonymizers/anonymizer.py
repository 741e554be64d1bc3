"""What an anonymizer is: its options, what it returns, and the table of all there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

import numpy as np

from jaxanon.errors import UsageError
from jaxanon.regions.region import Region

if TYPE_CHECKING:
    from jaxanon.classifiers.ensemble import Ensemble

Kind = TypeVar("Kind", bound="type[Anonymizer]")


PARSED: dict[object, tuple[type | UnionType, str]] = {
    str: (str, "text of the form {}"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    Path: (str | PathLike, "a path"),
}
"""What parses an option's words -> types of its values when they are given from Python."""


@dataclass(frozen=True)
class OptionHelp:
    """What a command line says of one option, and what values the option takes.

    Attributes:
        help: in a few words, without the default.
        metavar: stands for the value in help texts, such as `DIR`.
        parse: makes the value of the words of a command line.
        above: numbers must be larger than this; None is no bound, and no check.
        at_most: the largest number allowed.
    """

    help: str
    metavar: str
    parse: Callable[[str], object]
    above: float | None = None
    at_most: float | None = None

    def check(self, name: str, value: object) -> None:
        """Refuse a value of another type, or out of range.

        Raises:
            UsageError: naming the option, the value, and what it must be.
        """
        types, wanted = PARSED.get(self.parse, (object, ""))
        if not isinstance(value, types):
            raise UsageError(f"{name} is {value!r}; it must be {wanted.format(self.metavar)}")
        if self.above is None or self.at_most is None:
            return
        if not self.above < float(value) <= self.at_most:  # type: ignore[arg-type]
            raise UsageError(
                f"{name} is {value}; it must be above {self.above:g}, at most {self.at_most:g}"
            )


def described(
    help: str,
    metavar: str,
    parse: Callable[[str], object],
    *,
    above: float | None = None,
    at_most: float | None = None,
) -> dict[str, OptionHelp]:
    """Metadata of a field of an options dataclass; the arguments are those of `OptionHelp`."""
    return {"option": OptionHelp(help, metavar, parse, above, at_most)}


@dataclass(frozen=True)
class AnonymizerOptions:
    """The options of an anonymizer that has none; base of the options of all others.

    Raises:
        UsageError: where a value is of another type or out of range, as its field declares.
    """

    def __post_init__(self) -> None:
        for name, text in self.help_texts().items():
            value = getattr(self, name)
            if value is not None or self.defaults()[name] is not None:
                text.check(name, value)

    @classmethod
    def help_texts(cls) -> dict[str, OptionHelp]:
        """Name of each option -> its help, parser and range."""
        return {each.name: each.metadata["option"] for each in fields(cls)}

    @classmethod
    def defaults(cls) -> dict[str, object]:
        """Name of each option -> its default value."""
        return {each.name: each.default for each in fields(cls)}


class Anonymized(NamedTuple):
    """What an anonymizer leaves of an image.

    Attributes:
        pixels: `(H, W, 3)` uint8, of the size of the original; this is what is adapted.
        low_resolution: `(h, w, 3)` uint8, the small picture that `pixels` shows enlarged; None
            where the anonymizer makes none.
    """

    pixels: np.ndarray
    low_resolution: np.ndarray | None = None


class Anonymizer(ABC):
    """Hides what is private in images: one method with its options. Threads may share it.

    A new one is a module of this package with a subclass under the decorator `register`: the
    command line, the privacy report and the help texts then know it.

    Args:
        options: an instance of `Options`; its defaults where None.
        seed: seed of all random choices, from 0.

    Attributes:
        name: how `--method` and the report call it.
        summary: what it does in a few words, for help texts; may be empty.
        Options: class of its options.
        needs_region: whether it hides parts of an image alone, never a whole one.
        has_low_resolution: whether it returns low-resolution pictures.
        state_file: name of the file that keeps `state()` in a run's output folder; None where
            there is no state.
        views: images made from each input, at least 1.
    """

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    Options: ClassVar[type[AnonymizerOptions]] = AnonymizerOptions
    needs_region: ClassVar[bool] = False
    has_low_resolution: ClassVar[bool] = False
    state_file: ClassVar[str | None] = None
    views: int = 1
    options: AnonymizerOptions

    def __init__(self, options: AnonymizerOptions | None = None, seed: int = 0) -> None:
        self.options, self.seed = options or self.Options(), seed

    @abstractmethod
    def __call__(self, original: np.ndarray, region: Region, view: int = 0) -> Anonymized:
        """Anonymize an image inside a region.

        Args:
            original: `(H, W, 3)` uint8.
            region: what is private.
            view: which of the `views` images to make, from 0.

        Raises:
            ImageError: when the options would hide nothing of an image of this size.
        """

    def recorded(self) -> dict[str, object]:
        """All that its results depend on besides the image, as JSON values, for the report.

        The keys `method` and `strength` are always there; `strength` is None where the anonymizer
        has none. What `prepare` chooses is left out: it follows from the rest.
        """
        return {"method": self.name, "strength": None, **asdict(self.options)}

    @classmethod
    def equivalent_blur(cls, recorded: Mapping[str, object]) -> float | None:
        """The Gaussian blur that hides about as much; None where this is not known.

        Args:
            recorded: what `recorded` returned, perhaps read back from a report.

        Returns:
            Its standard deviation, in pixels of an image whose short side has 256.
        """
        return None

    def prepare(self, sources: Ensemble, originals: Iterable[np.ndarray]) -> None:
        """Choose what must be chosen once before the first image; nothing, for most.

        Args:
            sources: the classifiers that images will be adapted to.
            originals: the images of the run, `(H, W, 3)` uint8 each; consumed as far as needed.
        """
        return

    def state(self) -> dict[str, object] | None:
        """What `prepare` chose, as JSON values, for a run that is resumed; None is nothing."""
        return None

    def restore(self, state: object) -> None:
        """Take over an earlier run's `state` in place of `prepare`.

        Raises:
            UsageError: when it is not the state of such an anonymizer; the caller names the file.
        """
        return


ANONYMIZERS: dict[str, type[Anonymizer]] = {}
"""Name -> class, of all anonymizers."""


def register(kind: Kind) -> Kind:
    """Class decorator that enters an anonymizer into `ANONYMIZERS`."""
    ANONYMIZERS[kind.name] = kind
    return kind
