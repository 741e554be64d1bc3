"""`jaxanon models`."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from jaxanon import tables
from jaxanon.classifiers import registry
from jaxanon.errors import UsageError


def models(args: Namespace) -> int:
    """`jaxanon models`."""
    names = registry.list_classifiers(args.pattern)
    if not names:
        raise UsageError(f"no classifier matches {args.pattern!r}; see jaxanon models")
    rows: list[dict[str, Any]] = []
    for name in names:
        entry = registry.ENTRIES[name]
        rows.append(
            {
                "name": name,
                "input_size": entry.config.input_size,
                "parameters": registry.parameters(entry),
                "licence": entry.config.licence,
                "source": entry.config.source,
                "package": entry.package,
                "installed": entry.installed is not None,
            }
        )
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    cells = [
        [
            str(row["name"]),
            str(row["input_size"]),
            f"{row['parameters'] / 1e6:.1f} M",
            str(row["licence"]),
            "installed" if row["installed"] else str(row["package"] or "NAME@PATH"),
        ]
        for row in rows
    ]
    print(tables.table(["classifier", "input", "parameters", "licence", "weights"], cells))
    return 0
