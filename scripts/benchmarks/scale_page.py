"""What runs over large data sets should take, as a page: `docs/scale.md`.

    python scripts/benchmarks/scale_page.py

From what was measured, and what compilers say of accelerators, all under `docs/benchmarks`; the
words are in `scale_page.md`, the model in `scale_model.py`.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from roofline_page import ROOT
from scale_model import (
    A_GB_MONTH,
    ACCELERATORS,
    BANDWIDTH,
    CASES,
    DATA_SETS,
    FAST_STEPS,
    LATENCY,
    MACHINES,
    PART,
    PER_SHARD,
    READS,
    WRITES,
    Case,
    Found,
    predicted,
    rates,
    smallest_shard,
    stages,
)

from jaxanon.adaptation.settings import preset
from jaxanon.display.tables import table

PAGE = ROOT / "docs" / "scale.md"
FOUND = ROOT / "docs" / "benchmarks"
WORDS = Path(__file__).with_suffix(".md")


VICTIMS = {
    "local": "single processes",
    "share": "of two that share the shards",
    "worker": "workers of Ray",
    "driver": "drivers of Ray",
    "node": "nodes of Ray with all on them",
}
"""Victim in `kill_runs.py` -> in words."""


def page(found: Found) -> str:
    """The page, from the contents of the files."""
    fields = held(found) | on_accelerators(found) | on_stores(found) | what_breaks(found)
    fields |= endured(found)
    return WORDS.read_text().format(**fields)


def held(found: Found) -> Found:
    """The model's stages, and the runs that it is held against."""
    data, of = found["workers-2core"], stages(found)
    what, rows, errors = data["what"], [], []
    for run in data["runs"]:
        expected = predicted(run, of, what["cores"])
        errors.append(expected / run["seconds"] - 1)
        cells = [str(run[name]) for name in ("images", "shards", "workers")]
        rows.append([*cells, f"{run['seconds']:.1f} s", f"{expected:.1f} s", f"{errors[-1]:+.0%}"])
    heads = ["images", "shards", "workers of Ray", "measured", "predicted", "error"]
    return {
        **what,
        **of,
        "image_ms": 1e3 * of["image"],
        "shard": f"{1e3 * of['shard']:.0f} ms" if of["shard"] else "nothing that can be measured",
        "per_shard_here": data["runs"][0]["images"] // data["runs"][0]["shards"],
        "held": table(heads, rows, markdown=True),
        "worst": max(map(abs, errors)),
        "ray_of_local": found["engines-2core"]["ray_of_local"],
    }


def told(case: Case) -> str:
    """A case in words."""
    return f"`{case[0]}`, {case[1]}"


def on_accelerators(found: Found) -> Found:
    """Images per second of one accelerator; hours and dollars of whole data sets."""
    pairs = [(machine, case) for case in CASES for machine in MACHINES]
    speed = []
    for machine, case in pairs:
        device, host = rates(found, machine, case)
        cells = [told(case), machine.name, f"{device:,.0f}", str(machine.cores), f"{host:,.0f}"]
        speed.append([*cells, "host" if host < device else "device"])
    runs = []
    for name, images in DATA_SETS.items():
        for machine, case in pairs:
            hours = images / min(rates(found, machine, case)) / 3600
            each = [f"{hours / count:,.1f}" for count in ACCELERATORS]
            runs.append([name, told(case), machine.name, *each, f"{hours * machine.price:,.0f}"])
    of_speed = [
        "preset, sources",
        "accelerator",
        "its images/s",
        "cores",
        "their images/s",
        "bound",
    ]
    of_runs = ["data set", "preset, sources", "accelerator"]
    of_runs += [f"hours on {count}" for count in ACCELERATORS]
    host, one = found["host-stages"], "one source, 500x375"
    return {
        "two_cores": host["images_per_second"][one]["device"],
        "two_said": 2e3 / host["milliseconds"][one]["with views on the device"],
        "fast_steps": FAST_STEPS,
        "transfer_steps": preset("transfer").steps,
        "rates": table(of_speed, speed, markdown=True),
        "prices": ", ".join(f"{machine.price:g} ({machine.name})" for machine in MACHINES),
        "runs": table([*of_runs, "dollars"], runs, markdown=True),
    }


def on_stores(found: Found) -> Found:
    """What the data sets ask of an object store, and how large their shards must be."""
    sizes, asked = found["sizes"], found["requests"]["a_shard"]
    rows, forms = [], ("original", "png", "jpeg")
    for name, images in DATA_SETS.items():
        shards = math.ceil(images / PER_SHARD)
        terabytes = [images * sizes[form] / 1e12 for form in forms]
        parts = math.ceil(PER_SHARD * sizes["png"] / PART)
        writes, reads = shards * (asked["writes and lists"] + parts), shards * asked["reads"]
        cells = [f"{shards:,}", *(f"{each:,.2f}" for each in terabytes)]
        cells += [f"{1e3 * terabytes[1] * A_GB_MONTH:,.0f}", f"{writes + reads:,.0f}"]
        rows.append([name, *cells, f"{(writes * WRITES + reads * READS) / 1e3:,.2f}"])
    heads = ["data set", f"shards of {PER_SHARD:,}", "TB read", "TB of PNG", "TB of JPEG"]
    heads += ["dollars a month for PNG", "requests", "dollars for them"]
    small = []
    for case in CASES:
        for machine in MACHINES:
            least = smallest_shard(found, machine, case)
            shown = f"{least:,.0f}" if math.isfinite(least) else "never"
            small.append([told(case), machine.name, shown])
    return {
        "requests": sum(asked.values()),
        "deletions": asked["deletions"],
        **{f"{form}_kb": sizes[form] / 1e3 for form in forms},
        "gb_month": A_GB_MONTH,
        "writes": WRITES,
        "reads": READS,
        "stores": table(heads, rows, markdown=True),
        "latency_ms": 1e3 * LATENCY,
        "way": sum(asked.values()) * LATENCY,
        "bandwidth_mb": BANDWIDTH / 1e6,
        "part_mb": PART / 1e6,
        "least": table(["preset, sources", "accelerator", "images"], small, markdown=True),
    }


def what_breaks(found: Found) -> Found:
    """Limits of the driver and of the network, and what memory was measured."""
    sizes = found["sizes"]
    fast = min(rates(found, MACHINES[0], CASES[0]))
    rate = found["report"]["images_per_second"]
    return {
        "report_rate": rate,
        "million_minutes": 1e6 / rate / 60,
        "billion_hours": 1e9 / rate / 3600,
        "records_tb": found["report"]["bytes_of_a_record"] * 1e9 / 1e12,
        "most": ACCELERATORS[-1],
        "traffic": ACCELERATORS[-1] * fast * (sizes["original"] + sizes["png"]) / 1e9,
        "per_shard": PER_SHARD,
        "shard_seconds": PER_SHARD / fast,
    }


def endured(found: Found) -> Found:
    """What became of killed runs, and of many images."""
    soak, rows = found["soak"], found["kills"]["rows"]
    killed = Counter[str]()
    for row in rows:
        killed[VICTIMS[row["victim"]]] += row["killed"]
    same = "the files of both are the same, byte for byte"
    return {
        "kill_runs": len(rows),
        "killed": killed.total(),
        "victims": ", ".join(f"{count} {name}" for name, count in killed.items()),
        "right": sum(row["right"] for row in rows),
        "soak_images": soak["images"],
        "soak_shard": soak["per_shard"],
        "soak_local": soak["engines"]["local"]["seconds"],
        "soak_ray": soak["engines"]["ray"]["seconds"],
        "soak_same": same if soak["same_bytes"] else f"not true that {same}",
        "store_kb": soak["engines"]["ray"]["object_store_bytes"] / 1e3,
        "memory": ", ".join(memory(soak)),
    }


def memory(soak: Found) -> Iterator[str]:
    """Resident memory of each process of the soak, after a tenth of its time and at its end."""
    local, ray = soak["engines"]["local"], soak["engines"]["ray"]
    processes = {"one process": local["driver"], "Ray's driver": ray["driver"]}
    processes |= {f"its worker {i}": one for i, one in enumerate(ray["workers"], 1)}
    for name, series in processes.items():
        resident = [look[2] for look in series if look[2]]  # none once it has ended
        yield f"{name} has {resident[len(resident) // 10]:.2f} GB and {resident[-1]:.2f} GB"


def read() -> Found:
    """Name -> contents, of all files that the page is made from."""
    names = [
        "workers-2core",
        "engines-2core",
        "host-stages",
        "sizes",
        "requests",
        "report",
        "soak",
        "kills",
    ]
    names += [f"compiled-{machine.target}" for machine in MACHINES]
    return {name: json.loads((FOUND / f"{name}.json").read_text()) for name in names}


if __name__ == "__main__":
    PAGE.write_text(page(read()))
