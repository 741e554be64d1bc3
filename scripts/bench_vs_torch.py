"""Throughput against PyTorch, side by side in one process: same weights, images and arithmetic.

Each measured pair is run in turn, ours and theirs, so that a drift of the machine's speed hits
both; medians are reported. The first call, compilation included, is reported apart.

    python scripts/bench_vs_torch.py --json FILE [--classifiers A,B] [--batch 8] [--repeats 15]

Needs the extras `demo` (weights) and `parity` (torch, timm).
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from compare_with_timm import timm_filled

from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.loading import load_classifier


def peer(name: str) -> Any:
    """The model of timm with the same weights, in evaluation mode, channels last, frozen."""
    import torch

    file = registry.find(name).installed
    assert file is not None, f"{name}: no weights installed"
    return timm_filled(name, file).to(memory_format=torch.channels_last)


def our_step(classifier: Classifier, pixels: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
    """A call that gives the gradient of the summed cross-entropy by the pixels."""
    network, rows = classifier.network, jnp.arange(len(labels))

    def loss(images: jax.Array, params: Any) -> jax.Array:
        odds = jax.nn.log_softmax(network.apply(params, images))
        return -odds[rows, jnp.asarray(labels)].sum()

    step, images = jax.jit(jax.grad(loss)), jnp.asarray(pixels)
    return lambda: step(images, classifier.params).block_until_ready()


def their_step(
    model: Any, config: Any, pixels: np.ndarray, labels: np.ndarray
) -> Callable[[], Any]:
    """The same in PyTorch: eager, channels last."""
    import torch
    from torch.nn.functional import cross_entropy

    mean = torch.tensor(config.mean).view(1, 3, 1, 1)
    std = torch.tensor(config.std).view(1, 3, 1, 1)
    base = torch.tensor(pixels).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    wanted = torch.tensor(labels)

    def step() -> Any:
        images = base.clone().requires_grad_(True)
        cross_entropy(model((images - mean) / std), wanted, reduction="sum").backward()
        return images.grad

    return step


def interleaved(
    ours: Callable[[], Any], theirs: Callable[[], Any], repeats: int
) -> tuple[list[float], list[float]]:
    """Seconds of each call, ours and theirs in turn."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for call, seconds in zip((ours, theirs), times, strict=True):
            begin = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - begin)
    return times


def gradient_step(name: str, batch: int, repeats: int) -> dict[str, Any]:
    """One row: a gradient step of one classifier at full float32 precision."""
    classifier = load_classifier(name)
    size = classifier.config.input_size
    generator = np.random.default_rng(0)
    pixels = generator.random((batch, size, size, 3), np.float32)
    labels = generator.integers(0, classifier.config.classes, batch)
    ours = our_step(classifier, pixels, labels)
    theirs = their_step(peer(name), classifier.config, pixels, labels)
    cold = [seconds[0] for seconds in interleaved(ours, theirs, 1)]
    a, b = (np.asarray(v) for v in interleaved(ours, theirs, repeats))
    return {
        "what": "gradient_step",
        "name": classifier.name,
        "batch": batch,
        "precision": "float32",
        "peer": "timm-eager",
        "ours_seconds": statistics.median(a),
        "peer_seconds": statistics.median(b),
        "ratio": statistics.median(b) / statistics.median(a),
        "ratio_quartiles": [float(q) for q in np.quantile(b / a, (0.25, 0.75))],
        "ours_cold_seconds": cold[0],
        "peer_cold_seconds": cold[1],
        "repeats": repeats,
    }


def hardware() -> str:
    """The processor, by the name that it gives itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
    device = jax.devices()[0]
    return f"{device.platform} ({names[0] if names else platform.machine()}, {cores} cores)"


def main() -> None:
    """Measure, print a line per row, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--classifiers",
        default="tf_efficientnet_lite0,tf_efficientnet_lite1,tf_efficientnet_lite2",
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    rows = []
    for name in args.classifiers.split(","):
        row = gradient_step(name, args.batch, args.repeats)
        rows.append(row)
        print(
            f"{row['name']}: ours {row['ours_seconds']:.3f} s, "
            f"PyTorch {row['peer_seconds']:.3f} s, "
            f"ratio {row['ratio']:.2f} ({row['ratio_quartiles'][0]:.2f} to "
            f"{row['ratio_quartiles'][1]:.2f}); first call {row['ours_cold_seconds']:.1f} s and "
            f"{row['peer_cold_seconds']:.1f} s",
            flush=True,
        )
    packages = ("jax", "jaxlib", "flax", "numpy", "torch", "timm")
    versions = {package: importlib.metadata.version(package) for package in packages}
    result = {"rows": rows, "device": hardware(), "versions": versions}
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
