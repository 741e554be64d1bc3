"""The figures of `bench_vs_torch.py` as a Markdown table.

python scripts/benchmarks/bench_table.py docs/benchmarks/cpu-2core.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from jaxanon.display.tables import table

HEAD = ["what", "peer", "jaxanon", "peer's", "peer's time over ours"]


def short(name: str) -> str:
    """A classifier's name without tag; several as their number."""
    names = name.split("+")
    if len(names) > 1:
        return f"{len(names)} sources"
    return names[0].split(".")[0].removesuffix(" (random weights)")


def line(row: dict[str, Any], *, keeps_memory: bool) -> list[str]:
    """The cells of a row.

    Args:
        row: one comparison, as `bench_vs_torch.py` writes it.
        keeps_memory: whether the peer's process kept freed memory, too.
    """
    peer = {"timm-eager": "PyTorch eager", "torch-compile": "`torch.compile`"}.get(
        row["peer"], row["peer"]
    )
    if row.get("variant"):
        peer += f", {row['variant']}"
    if keeps_memory:
        peer += ", memory setting on"
    if row["what"] == "gradient_step":
        low, high = row["ratio_quartiles"]
        return [
            f"step of {short(row['name'])}, batch {row['batch']}, {row['precision']}",
            peer,
            f"{row['ours_seconds']:.3f} s",
            f"{row['peer_seconds']:.3f} s",
            f"**{row['ratio']:.2f}** ({low:.2f} to {high:.2f})",
        ]
    count = row["images"].partition(",")[0]
    return [
        f"end to end, {count} photos, {short(row['name'])}",
        peer,
        f"{row['ours_images_per_second']:.2f} images/s, {row['ours_kept']} kept",
        f"{row['peer_images_per_second']:.2f} images/s, {row['peer_kept']} kept",
        f"**{row['ratio']:.2f}**",
    ]


def page(result: dict[str, Any]) -> str:
    """The whole table, of what `bench_vs_torch.py` has written."""
    keeps_memory = result["peer_keeps_memory"]
    rows = [line(row, keeps_memory=keeps_memory) for row in result["rows"]]
    return table(HEAD, rows, markdown=True)


if __name__ == "__main__":
    print(page(json.loads(Path(sys.argv[1]).read_text())))
