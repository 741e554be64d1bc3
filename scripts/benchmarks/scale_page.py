"""What runs over large data sets should take, as a page: `docs/scale.md`.

    python scripts/benchmarks/scale_page.py

From what was measured, and what compilers say of accelerators, all under `docs/benchmarks`; the
words are in `scale_page.md`. Prices and machines are assumptions: change them for your own.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from roofline_page import LIMITS, ROOT

from jaxanon.adaptation.settings import preset
from jaxanon.display.tables import table

PAGE = ROOT / "docs" / "scale.md"
FOUND = ROOT / "docs" / "benchmarks"
WORDS = Path(__file__).with_suffix(".md")


class Machine(NamedTuple):
    """An accelerator and its share of a host, as clouds rent them.

    Attributes:
        target: its name in `roofline_page.LIMITS`.
        cores: of the host, for each accelerator.
        price: dollars per hour, host included.
    """

    target: str
    cores: int
    price: float

    @property
    def name(self) -> str:
        """What it is called."""
        return LIMITS[self.target].name


MACHINES = (Machine("h100", 12, 4.0), Machine("v5e", 14, 1.2), Machine("v6e", 22, 2.7))
DATA_SETS = {"ImageNet-1k": 1_281_167, "a billion images": 1_000_000_000}
"""Name -> images."""
ACCELERATORS = (1, 8, 64)
PER_SHARD = 10_000
"""Images of a shard."""
LATENCY, BANDWIDTH = 0.03, 200e6
"""Of an object store: seconds of a request, bytes per second of one worker."""
PART = 50 * 2**20
"""Bytes of each part of a large upload, as s3fs makes them."""
A_GB_MONTH, WRITES, READS = 0.023, 0.005, 0.0004
"""Prices of an object store in dollars: per GB and month, per thousand requests of each kind."""
FAST_STEPS = 3.0
"""Gradient steps of an image under `fast`: what photos take in `docs/performance.md`."""
SEVEN = "the study's seven"
CASES = (("fast", "mobilenetv2_100"), ("fast", SEVEN), ("transfer", SEVEN))
"""Preset and sources."""
Case = tuple[str, str]
Found = dict[str, Any]


def page(found: Found) -> str:
    """The page, from the contents of the files."""
    fields = held(found) | on_accelerators(found) | on_stores(found) | what_breaks(found)
    return WORDS.read_text().format(**fields)


def stages(found: Found) -> dict[str, float]:
    """What the model needs of this machine: seconds of an image, of a shard and of starts."""
    measured = found["workers-2core"]["stages"]
    small, large, ray = measured["small"], measured["large"], measured["ray"]
    images = {name: row["images"] / row["shards"] for name, row in measured.items()}
    image = (large["a_shard"] - small["a_shard"]) / (images["large"] - images["small"])
    spent = small["shards"] * small["a_shard"]
    more = {name: large[name] - small[name] for name in ("processor", "seconds")}
    return {
        "image": image,
        "shard": max(small["a_shard"] - image * images["small"], 0.0),
        "start": small["seconds"] - spent,
        "ray_start": ray["seconds"] - spent,
        "busy": more["processor"] / more["seconds"],
    }


def predicted(run: Found, of: dict[str, float], cores: int) -> float:
    """Seconds of a run by several workers of Ray that share the cores of one machine."""
    shards, workers = int(run["shards"]), int(run["workers"])
    alone = of["shard"] + of["image"] * int(run["images"]) / shards
    rounds = [workers] * (shards // workers) + [shards % workers] * (shards % workers > 0)
    work = sum(alone * max(1.0, at_work * of["busy"] / cores) for at_work in rounds)
    return of["ray_start"] + of["start"] * max(0.0, workers / cores - 1.0) + work


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


def step_seconds(found: Found, target: str, sources: str) -> float:
    """Seconds per image of one gradient step, as the compiler has it."""
    for row in found[f"compiled-{target}"]["rows"]:
        named = SEVEN if "+" in row["classifiers"] else row["classifiers"]
        if (named, row["program"], row["devices"]) == (sources, "advance", 1):
            by_bytes = 1e12 * row["gbytes"] / LIMITS[target].bandwidth
            return float(row.get("estimate_ms", by_bytes)) / 1e3 / int(row["slots"])
    raise LookupError(f"{target}: {sources}")


def rates(found: Found, machine: Machine, case: Case) -> tuple[float, float]:
    """Images per second of an accelerator, and of its share of the host's cores."""
    name, sources = case
    steps = FAST_STEPS if name == "fast" else preset(name).steps
    device = 1.0 / ((steps + 1) * step_seconds(found, machine.target, sources))
    column = "seven, 500x375" if sources == SEVEN else "one source, 500x375"
    host = 1e3 / found["host-stages"]["milliseconds"][column]["with views on the device"]
    return device, machine.cores * host


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


def smallest_shard(found: Found, machine: Machine, case: Case) -> float:
    """Images from which on a shard takes longer than its way from and to an object store."""
    there_and_back = (found["sizes"]["original"] + found["sizes"]["png"]) / BANDWIDTH
    there_and_back += found["sizes"]["png"] / PART * LATENCY
    spare = 1 / min(rates(found, machine, case)) - there_and_back
    requests = sum(found["requests"]["a_shard"].values())
    return math.inf if spare <= 0 else requests * LATENCY / spare


def what_breaks(found: Found) -> Found:
    """Limits of the driver and of the network, and what memory was measured."""
    soak, sizes = found["soak"], found["sizes"]
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
        "soak_images": soak["images"],
        "soak_shard": soak["per_shard"],
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
    names = ["workers-2core", "engines-2core", "host-stages", "sizes", "requests", "report", "soak"]
    names += [f"compiled-{machine.target}" for machine in MACHINES]
    return {name: json.loads((FOUND / f"{name}.json").read_text()) for name in names}


if __name__ == "__main__":
    PAGE.write_text(page(read()))
