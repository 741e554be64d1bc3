"""What a gradient step and a forward pass take on this hardware, and what bounds them."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxanon.classifiers.classifier import Classifier, Network
from jaxanon.classifiers.config import Config
from jaxanon.classifiers.placed import placed
from jaxanon.classifiers.random_weights import pixels
from jaxanon.runtime.devices import mesh, program_memory
from jaxanon.runtime.precision import DECISIONS, GRADIENTS
from jaxanon.runtime.programs import options


@dataclass(frozen=True)
class Program:
    """A compiled program with its arguments.

    Attributes:
        call: runs the program and waits for its result.
        compile_seconds: tracing and compilation, or fetching it from the cache.
        flops: floating-point operations of one call, as XLA counts them.
        bytes: bytes that the operations of one call read and write, as XLA counts them.
        memory: bytes that the program takes on the device, arguments included.
    """

    call: Callable[[], Any]
    compile_seconds: float
    flops: float
    bytes: float
    memory: int


def gradient_step(
    classifiers: Sequence[Classifier], batch: int, precision: str = "float32"
) -> Program:
    """Compile the gradient of the summed cross-entropies of classifiers, each by its own pixels.

    Args:
        classifiers: classifiers, each with images of its own.
        batch: images per classifier.
        precision: floating-point type of pixels and parameters.
    """
    networks = tuple(classifier.network for classifier in classifiers)
    return _program(partial(_gradient, networks), classifiers, batch, precision)


def forward_pass(classifiers: Sequence[Classifier], batch: int) -> Program:
    """Compile the forward passes of classifiers, each with `batch` images of its own."""
    networks = tuple(classifier.network for classifier in classifiers)
    return _program(partial(_logits, networks), classifiers, batch, "float32")


def inputs_for(config: Config, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Random pixels `(batch, size, size, 3)` and classes `(batch,)`, the same for every peer."""
    labels = np.arange(batch) * 7919 % config.num_classes
    return pixels((batch, config.input_size, config.input_size, 3)), labels


def _program(
    function: Callable[..., Any], classifiers: Sequence[Classifier], batch: int, precision: str
) -> Program:
    inputs = [inputs_for(classifier.config, batch) for classifier in classifiers]
    params = tuple(placed(classifier.params, mesh(1), precision) for classifier in classifiers)
    images = tuple(jnp.asarray(image, precision) for image, _ in inputs)
    labels = tuple(jnp.asarray(label) for _, label in inputs)
    begin = time.perf_counter()
    jitted = jax.jit(function, compiler_options=options(jax.default_backend()))
    compiled = jitted.lower(images, labels, params).compile()
    seconds = time.perf_counter() - begin
    cost = compiled.cost_analysis() or {}
    return Program(
        call=lambda: jax.block_until_ready(compiled(images, labels, params)),
        compile_seconds=seconds,
        flops=float(cost.get("flops", 0)),
        bytes=float(cost.get("bytes accessed", 0)),
        memory=program_memory(compiled),
    )


def _logits(
    networks: tuple[Network, ...],
    images: tuple[Array, ...],
    labels: tuple[Array, ...],
    params: tuple[Any, ...],
    products: str = DECISIONS,
) -> tuple[Array, ...]:
    del labels
    each = zip(networks, params, images, strict=True)
    return tuple(network.apply(p, x, products) for network, p, x in each)


def _gradient(
    networks: tuple[Network, ...],
    images: tuple[Array, ...],
    labels: tuple[Array, ...],
    params: tuple[Any, ...],
) -> tuple[Array, ...]:
    def loss(images: tuple[Array, ...]) -> Array:
        total: Array = jnp.float32(0)
        logits = _logits(networks, images, labels, params, GRADIENTS)
        for scores, label in zip(logits, labels, strict=True):
            odds = jax.nn.log_softmax(scores.astype(jnp.float32))
            total -= jnp.take_along_axis(odds, label[:, None], axis=1).sum()
        return total

    with jax.default_matmul_precision(GRADIENTS):
        gradients: tuple[Array, ...] = jax.grad(loss)(images)
    return gradients


def seconds_of(call: Callable[[], Any], repeats: int) -> list[float]:
    """Seconds of each of `repeats` calls, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return times


def matrix_rate(precision: str = "float32") -> float:
    """Floating-point operations per second of a large matrix product here: the practical peak."""
    side = 2048 if jax.default_backend() == "cpu" else 8192
    with jax.default_matmul_precision(GRADIENTS):
        matrix = jnp.ones((side, side), precision)
        product = jax.jit(lambda a: a @ a).lower(matrix).compile()
    times = seconds_of(lambda: product(matrix).block_until_ready(), 7)
    return 2 * side**3 / statistics.median(times)


def hardware() -> str:
    """The device, and the processor by the name that it gives itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
    processor = f"{names[0] if names else platform.machine()}, {cores} cores"
    device = jax.devices()[0]
    if device.platform == "cpu":
        return f"cpu ({processor})"
    return f"{device.device_kind} x {jax.device_count()} (beside {processor})"


def versions(*packages: str) -> dict[str, str]:
    """Package -> its installed version."""
    return {package: importlib.metadata.version(package) for package in packages}
