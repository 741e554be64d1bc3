"""Names of classifiers from outside: what answers, and how to ask it.

    onnx:model.onnx#labels=names.txt
    python:my_module:decide#classes=10
    https://host/path#label=predictions[0].label&labels=names.txt

After `#` come options, `name=value` joined by `&`. They are not part of the classifier's name. What
separates is percent-encoded elsewhere: `%2C` is a comma, between names, `%26` an `&`, `%23` a `#`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jaxanon.classifiers.outside.classifier import Known
from jaxanon.errors import UsageError

LEADS = ("onnx:", "python:", "http://", "https://")
"""How the name of a classifier from outside begins."""
WAYS = ("header", "timeout", "retries", "rate", "budget", "at_once")
"""Options that tell how a service is asked; its answers do not depend on them."""


@dataclass(frozen=True)
class Named:
    """A classifier from outside as it is named.

    Attributes:
        name: without options, as reports have it.
        options: their values by name.
    """

    name: str
    options: Mapping[str, str]

    @property
    def rest(self) -> str:
        """The name after its kind, such as the path of a file."""
        return self.name.partition(":")[2]

    def files(self) -> list[str]:
        """The files that it is made of."""
        own = [self.rest] if self.name.startswith("onnx:") else []
        options = (self.options.get(name) for name in ("labels", "preprocess"))
        return [*own, *(path for path in options if path)]

    def known(self, origin: str, num_classes: int | None = None) -> Known:
        """What the options say of the classes.

        Args:
            origin: what answers.
            num_classes: number of classes, where what answers tells.

        Raises:
            UsageError: when nothing tells how many classes there are, or two things differ.
        """
        labels = self._labels()
        numbers = {
            "its output": num_classes,
            "classes": self.number("classes", None),
            "labels": len(labels) if labels else None,
        }
        told = {what: number for what, number in numbers.items() if number is not None}
        if not told:
            raise UsageError(
                f"{self.name}: how many classes does it have? Add #classes=NUMBER, or "
                "#labels=FILE with a name in each line"
            )
        if len(set(told.values())) > 1:
            text = ", ".join(f"{number} by {what}" for what, number in told.items())
            raise UsageError(f"{self.name} has {text} classes; they must be equal")
        return Known(next(iter(told.values())), labels, origin)

    def number(self, option: str, otherwise: float | None, least: float = 1) -> int | None:
        """The whole number that an option has."""
        found = self.amount(option, otherwise, least)
        if found is not None and found != int(found):
            raise UsageError(f"{self.name}: {option}={found}; it must be a whole number")
        return None if found is None else int(found)

    def amount(self, option: str, otherwise: float | None, least: float = 0) -> float | None:
        """The number that an option has.

        Raises:
            UsageError: when it is none, or below `least`.
        """
        text = self.options.get(option)
        if text is None:
            return otherwise
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not least <= value < float("inf"):
            raise UsageError(f"{self.name}: {option}={text}; it must be a number from {least:g}")
        return value

    def _labels(self) -> tuple[str, ...] | None:
        path = self.options.get("labels")
        if path is None:
            return None
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.name}: labels={path} cannot be read: {error}") from error
        names = tuple(line.strip() for line in lines)
        if not names or len({*names}) < len(names) or not all(names):
            text = "must have a name in each line, each once"
            raise UsageError(f"{self.name}: labels={path} {text}")
        return names


def is_outside(name: str) -> bool:
    """Whether a name is that of a classifier from outside."""
    return name.startswith(LEADS)


def without_place(name: str) -> str:
    """A name that does not tell where a file lies here, nor which page of a host is asked."""
    kind, _, rest = name.partition(":")
    if kind == "onnx":
        return f"onnx:{Path(rest).name}"
    return f"{kind}://{urlsplit(name).hostname}" if kind in ("http", "https") else name


def without_ways(text: str) -> str:
    """A name with those of its options alone on which the answers depend, see `WAYS`."""
    name, _, rest = text.partition("#")
    kept = [part for part in rest.split("&") if part.partition("=")[0] not in WAYS]
    return "#".join(filter(None, [name, "&".join(kept)]))


def parse(text: str) -> Named:
    """A name with its options, which no kind has checked, both decoded.

    An address stays as it is: its escapes are for the service, and say the same there.

    Raises:
        UsageError: for options that are no `name=value`, or stand twice.
    """
    given, _, rest = text.partition("#")
    name = given if given.startswith(("http://", "https://")) else unquote(given)
    options: dict[str, str] = {}
    for part in filter(None, rest.split("&")):
        key, _, value = part.partition("=")
        if not key or not value or key in options:
            raise UsageError(f"{name}: {part!r} is no option; write #name=value, each once")
        options[key] = unquote(value)
    return Named(name, options)
