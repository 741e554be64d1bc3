"""`jaxanon models`."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from jaxanon.classifiers import registry
from jaxanon.classifiers.weights import hub
from jaxanon.classifiers.weights.loading import load_classifier, pull
from jaxanon.cli.common import announce
from jaxanon.display import tables
from jaxanon.errors import UsageError, WeightsError


def models(args: Namespace) -> int:
    """`jaxanon models [PATTERN]`, `jaxanon models pull NAME...`."""
    words: list[str] = args.words
    if words[:1] == ["pull"]:
        if args.json:
            raise UsageError("--json belongs to the list, not to pull")
        return _pull(words[1:])
    if len(words) > 1:
        raise UsageError(f"one PATTERN, not {len(words)}; to fetch weights: jaxanon models pull")
    return _list(words[0] if words else "*", as_json=args.json)


def _pull(names: Sequence[str]) -> int:
    if not names:
        raise UsageError("name what to fetch: jaxanon models pull resnet50 vgg16")
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


def _list(pattern: str, *, as_json: bool) -> int:
    names = registry.list_classifiers(pattern)
    if not names:
        raise UsageError(f"no classifier matches {pattern!r}; see jaxanon models")
    rows = [_row(registry.find(name)) for name in names]
    if as_json:
        print(json.dumps(rows, indent=1))
        return 0
    cells = [
        [
            row["architecture"],
            row["tag"] or "-",
            str(row["input_size"]),
            f"{row['parameters'] / 1e6:.1f} M",
            row["licence"] or "-",
            _where(row),
            row["source"],
        ]
        for row in rows
    ]
    head = ["architecture", "tag", "input", "parameters", "licence", "weights", "source"]
    print(tables.table(head, cells, left=[*head[:2], *head[4:]]))
    return 0


def _row(entry: registry.Entry) -> dict[str, Any]:
    repository = entry.repository
    return {
        "name": entry.name,
        "architecture": entry.architecture,
        "tag": entry.weights.tag,
        "input_size": entry.config.input_size,
        "parameters": registry.parameters(entry),
        "licence": None if repository is None else entry.config.licence,
        "source": entry.config.origin,
        "package": entry.weights.package,
        "installed": entry.installed is not None,
        "cached": repository is not None and hub.cached(hub.Repository(repository)) is not None,
    }


def _where(row: dict[str, Any]) -> str:
    if row["installed"]:
        return "installed"
    if row["cached"]:
        return "cached"
    return "hub" if row["tag"] else "NAME@PATH"
