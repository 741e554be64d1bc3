"""A cost model of runs over large data sets: seconds, from measured stages and from compilers.

Prices and machines are assumptions: change them for your own, and run `scale_page.py`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from roofline_page import LIMITS

from jaxanon.adaptation.settings import preset


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


def smallest_shard(found: Found, machine: Machine, case: Case) -> float:
    """Images from which on a shard takes longer than its way from and to an object store."""
    there_and_back = (found["sizes"]["original"] + found["sizes"]["png"]) / BANDWIDTH
    there_and_back += found["sizes"]["png"] / PART * LATENCY
    spare = 1 / min(rates(found, machine, case)) - there_and_back
    requests = sum(found["requests"]["a_shard"].values())
    return math.inf if spare <= 0 else requests * LATENCY / spare
