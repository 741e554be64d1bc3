"""What compilers say of accelerators, as a page: `docs/accelerators.md`.

    python scripts/benchmarks/roofline_page.py

From `docs/benchmarks/compiled-NAME.json`, which `compile_for.py` writes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from compile_for import STUDY

from jaxanon.display.tables import table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "accelerators.md"


class Limits(NamedTuple):
    """What a device can do at most, by its maker's data sheet.

    Attributes:
        name: of the device.
        bandwidth: bytes that pass through its memory per second.
        operations: products and sums of bfloat16 numbers per second.
    """

    name: str
    bandwidth: float
    operations: float


MEANT = {"program": "advance", "devices": 1, "slots": 32, "precision": "bfloat16"}
"""What the page's first tables are about; other rows of the files follow them."""
LIMITS = {
    "h100": Limits("NVIDIA H100 SXM", 3.35e12, 989e12),
    "v5e": Limits("TPU v5e", 0.819e12, 197e12),
    "v6e": Limits("TPU v6e", 1.64e12, 918e12),
}
"""Target -> limits."""
HEAD = """# Accelerators, as compilers see them

**Compiled, not measured.** XLA compiles the loop's programs for devices that are not there; what it
makes can be counted. Each row is one gradient step of 32 images in bfloat16 under the preset
`fast`, views, update and all:
`python scripts/benchmarks/compile_for.py --programs advance` with `--target NAME`,
`--classifiers all,study` and `--json docs/benchmarks/compiled-NAME.json`; this page
`python scripts/benchmarks/roofline_page.py`.

- *GFLOP*: operations per image and step, as XLA counts them for the v5e.
- *GB*: bytes that the step's kernels read and write, each operand counted whole; on TPUs those that
  pass through the main memory, where `>` leaves out what is fetched ahead of its use in slices.
  Caches serve some of them.
- *launches*: kernels, copies included; on GPUs XLA hands them over in graphs, many at a time.
- *memory*: what the program takes, weights included.
- *compile*: processor seconds of the compilation, on two cores with other work beside it.
- *at least*: the longer of GB over bandwidth and GFLOP over the rate of bfloat16 products, and
  which of them it is. Only what caches serve can make a real step faster.
- *expected*: cycles that the TPU's compiler expects, over the clock. There is none for GPUs.
"""

OTHERS = """
Other programs, and four devices: `advance` is the step, `forward` the decisions, `put` and `take`
write images into slots and read them, `resize` makes the views. Figures are those of one device.

"""
HEADS_OF_OTHERS = [
    "program",
    "classifier",
    "devices",
    "GB",
    "launches",
    "memory",
    "layout changes",
    "collectives",
]


def named(row: dict[str, Any]) -> str:
    """What a row is about, in words."""
    return "the study's seven" if row["classifiers"] == STUDY else str(row["classifiers"])


def line(row: dict[str, Any], limits: Limits, gflop: float | None) -> list[str]:
    """The cells of a row."""
    cells = [named(row)]
    if "gbytes" not in row:
        return [*cells, row.get("aborted") or row.get("error") or "", *[""] * 6]
    by_bytes = 1e9 * row["gbytes"] / limits.bandwidth
    by_operations = 1e9 * (gflop or 0) * row["slots"] / limits.operations
    which = "bytes" if by_bytes >= by_operations else "operations"
    least = f"{1e3 * max(by_bytes, by_operations):.2f} ms, {which}"
    cells += [
        "" if gflop is None else f"{gflop:.1f}",
        f"{'> ' if row.get('slices_left_out') else ''}{row['gbytes']:.1f}",
        str(row["launches"]),
        f"{row['memory_mb'] / 1e3:.1f} GB",
        f"{row.get('cpu_seconds', row['seconds']):.0f} s",
        least,
    ]
    if "estimate_ms" in row:
        cells.append(f"{row['estimate_ms']:.1f} ms")
    return cells


def other(row: dict[str, Any]) -> list[str]:
    """The cells of a row that is not about the step on one device."""
    return [
        row["program"],
        named(row),
        str(row["devices"]),
        f"{row['gbytes']:.2f}",
        str(row["launches"]),
        f"{row['memory_mb'] / 1e3:.1f} GB",
        str(row["layout_changes"]),
        str(row["collectives"]),
    ]


def place(row: dict[str, Any]) -> tuple[bool, str]:
    """By what the rows are sorted: sets before single classifiers, then by name."""
    return "+" not in row["classifiers"], row["classifiers"]


def page(found: dict[str, dict[str, Any]]) -> str:
    """The page; `found` is target -> what `compile_for.py` wrote."""
    flops = {
        row["classifiers"]: row["gflop"] / row["slots"]
        for row in found.get("v5e", {"rows": []})["rows"]
        if row.get("gflop") and MEANT.items() <= row.items()
    }
    parts = [HEAD]
    for target, data in found.items():
        limits = LIMITS[target]
        meant = [row for row in data["rows"] if MEANT.items() <= row.items()]
        others = [row for row in data["rows"] if row not in meant and "launches" in row]
        rows = sorted(meant, key=place)
        heads = ["classifier", "GFLOP", "GB", "launches", "memory", "compile", "at least"]
        if target != "h100":
            heads.append("expected")
        cells = [line(row, limits, flops.get(row["classifiers"])) for row in rows]
        versions = ", ".join(f"{name} {number}" for name, number in data["versions"].items())
        parts.append(
            f"\n## {limits.name}\n\n{limits.bandwidth / 1e12:g} TB/s, "
            f"{limits.operations / 1e12:g} TFLOP/s; {versions}.\n\n"
            + table(heads, cells, markdown=True)
            + "\n"
        )
        if others:
            parts.append(
                OTHERS
                + table(HEADS_OF_OTHERS, [other(row) for row in others], markdown=True)
                + "\n"
            )
    return "".join(parts)


def read() -> dict[str, dict[str, Any]]:
    """Target -> what was written for it, where that is there."""
    files = {target: ROOT / "docs" / "benchmarks" / f"compiled-{target}.json" for target in LIMITS}
    return {target: json.loads(f.read_text()) for target, f in files.items() if f.exists()}


if __name__ == "__main__":
    PAGE.write_text(page(read()))
