"""What the loop's programs really take on the device at hand, beside what the compiler promised.

    python scripts/benchmarks/measure_device.py --classifiers mobilenetv2_100,study
        [--slots 32] [--lengths 1] [--precision bfloat16] [--repeats 20] [--profile] [--json FILE]

One row per set of classifiers, slots and steps per call: seconds to compile, milliseconds of a
step (calls handed over one after the other, as the loop does), of writing an image into a slot and
of reading one; and from the compiled program bytes, launches and operations. Beside them the
device's measured rates of copies and products. `--profile` adds the kernels that take longest.
Names joined by `+` adapt together; `study` is the seven sources of the study. Random weights.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from compile_for import STUDY
from compiled_text import kernels

from jaxanon.adaptation import chunk
from jaxanon.adaptation.slots import Slots
from jaxanon.classifiers import registry
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.random_weights import random_classifier
from jaxanon.evaluation import device_rate
from jaxanon.evaluation import throughput as benchmark
from jaxanon.io.files import write_json
from jaxanon.runtime import compilation
from jaxanon.runtime.devices import mesh

TOP = 25
"""Kernels of a profile that are named."""


def copy_rate() -> float:
    """Bytes per second that a large copy reads and writes."""
    count = 2**28 if jax.default_backend() != "cpu" else 2**24
    copy = jax.jit(lambda a: a + jnp.float32(1)).lower(jnp.zeros(count, jnp.float32)).compile()
    array = jnp.zeros(count, jnp.float32)
    times = benchmark.seconds_of(lambda: copy(array).block_until_ready(), 9)
    return 8 * count / statistics.median(times)


def seconds_of_put(running: Slots[int]) -> float:
    """Writing an image into its slot, with all others; the slots are full again afterwards."""
    attempts = [held for held in running._held if held is not None]
    times = []
    for _ in range(3):
        running.wait()
        running._held = [None] * running.total
        begin = time.perf_counter()
        running.fill(deque(attempts))
        running.wait()
        times.append(time.perf_counter() - begin)
    return min(times) / running.total


def seconds_of_take(running: Slots[int]) -> float:
    """Reading an image, half of all together."""
    half = {
        i: held for i, held in enumerate(running._held) if held and (i % 2 or running.total < 2)
    }

    def read() -> Any:
        return jax.device_get([(each.levels, each.steps) for each in running._take(half)])

    return statistics.median(benchmark.seconds_of(read, 9)) / len(half)


def compiled_text(running: Slots[int]) -> Any:
    """The program of a call, compiled (or fetched from the cache)."""
    return chunk.advance.lower(
        running.sources.networks, running._compiled, running.length, running.sources.mesh,
        running._params, running._problems, running._states,
    ).compile()  # fmt: skip


def profile(call: Callable[[], Any], calls: int) -> list[dict[str, Any]]:
    """The kernels of some calls: milliseconds and launches per call, longest first."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            for _ in range(calls):
                call()
        (path,) = Path(folder).rglob("*.trace.json.gz")
        events = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    streams = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"]["name"].startswith("Stream")
    }
    times, counts = Counter[str](), Counter[str]()
    for event in events:
        if event.get("ph") == "X" and (event["pid"], event["tid"]) in streams:
            name = f"{event.get('args', {}).get('hlo_op', '')} | {event['name']}"
            times[name] += event["dur"]
            counts[name] += 1
    total = sum(times.values())
    rows = [{"kernel": "all", "ms": total / calls / 1e3, "launches": sum(counts.values()) / calls}]
    rows += [
        {"kernel": name[:140], "ms": t / calls / 1e3, "launches": counts[name] / calls}
        for name, t in times.most_common(TOP)
    ]
    return rows


def measure(names: str, slots: int, length: int, args: argparse.Namespace) -> dict[str, Any]:
    """One row."""
    classifiers = [random_classifier(registry.find(name)) for name in names.split("+")]
    sources = Ensemble(classifiers, mesh=mesh(1))
    begin = time.perf_counter()
    running = device_rate.full_slots(sources, slots, length, args.precision)
    seconds = time.perf_counter() - begin
    step = device_rate.seconds_per_step(running, args.repeats)
    program = compiled_text(running)
    found = kernels(program.as_text())
    flops = float((program.cost_analysis() or {}).get("flops", 0))
    row: dict[str, Any] = {
        "classifiers": names,
        "slots": slots,
        "length": length,
        "precision": running.settings.precision,
        "ready_seconds": round(seconds, 2),
        "step_ms": round(1e3 * step, 3),
        "images_per_second": round(slots / step, 1),
        "put_ms": round(1e3 * seconds_of_put(running), 3),
        "take_ms": round(1e3 * seconds_of_take(running), 3),
        "memory_mb": round(running.memory / 1e6),
        "gflop": round(flops / 1e9, 1),
        "gbytes": round(sum(found.bytes.values()) / 1e9, 3),
        "launches": sum(found.launches.values()),
    }
    if args.profile:
        row["profile"] = profile(running.advance, 5)
    return row


def main() -> None:
    """Measure, print a line per row, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--classifiers", default="mobilenetv2_100", help="comma-separated; A+B adapt together")
    add("--slots", default="32", help="comma-separated")
    add("--lengths", default="1", help="steps per call, comma-separated")
    add("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    add("--repeats", type=int, default=20)
    add("--profile", action="store_true")
    add("--json", type=Path)
    args = parser.parse_args()
    compilation.enable_compilation_cache()
    result: dict[str, Any] = {
        "device": benchmark.hardware(),
        "versions": benchmark.versions("jax", "jaxlib", "flax"),
        "copy_gb_per_second": round(copy_rate() / 1e9, 1),
        "product_tflops": {
            kind: round(benchmark.matrix_rate(kind) / 1e12, 1) for kind in ("float32", "bfloat16")
        },
        "rows": [],
    }
    print(json.dumps(result), flush=True)
    for names in args.classifiers.split(","):
        for slots in map(int, args.slots.split(",")):
            for length in map(int, args.lengths.split(",")):
                row = measure(STUDY if names == "study" else names, slots, length, args)
                result["rows"].append(row)
                print(json.dumps({k: v for k, v in row.items() if k != "profile"}), flush=True)
                for kernel in row.get("profile", ()):
                    print(f"  {kernel['ms']:9.3f} ms {kernel['launches']:6.0f}  {kernel['kernel']}")
                if args.json:
                    write_json(args.json, result)


if __name__ == "__main__":
    main()
