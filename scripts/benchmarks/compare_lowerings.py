"""Every form of an operation, timed at the shapes of real classifiers: what `lowerings.TABLE` says.

    python scripts/benchmarks/compare_lowerings.py [FILE]

Per operation and shape, batch 8: the seconds of each form, forward and gradient by the input
together (the stem's are apart), medians of calls made in turn. Written to FILE, by default
`docs/benchmarks/lowerings-BACKEND.json`, which a test compares with the table. And whole ResNets as
the table has them against Winograd's form in all their layers, where it wins layer by layer.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from jaxanon.classifiers import registry
from jaxanon.classifiers.ops import conv_pool as ops
from jaxanon.classifiers.ops import depthwise, patches, stem, winograd
from jaxanon.classifiers.ops.lowerings import TABLE, Rule, Shape, form
from jaxanon.classifiers.ops.windows import Pads, convolve, pads
from jaxanon.classifiers.random_weights import noise, random_classifier
from jaxanon.evaluation import throughput as benchmark
from jaxanon.io.files import write_json
from jaxanon.runtime import memory

BATCH, REPEATS = 8, 9
Form = Callable[[Array], Array]


def normal(*shape: int) -> Array:
    """Numbers of variance 1."""
    return jnp.asarray(noise(shape, 0, "lowerings"))


def both(function: Form) -> Form:
    """The value, and from it the gradient by the input."""

    def run(x: Array) -> Array:
        y, pull = jax.vjp(function, x)
        gradient: Array = pull(y)[0]
        return gradient

    return run


def timed(forms: dict[str, Form], x: Array) -> dict[str, float]:
    """Median seconds of each form, called in turn."""
    compiled = {name: jax.jit(function).lower(x).compile() for name, function in forms.items()}
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(REPEATS + 1):
        for name, program in compiled.items():
            begin = time.perf_counter()
            program(x).block_until_ready()
            seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}


def around_of(size: int, side: int, stride: int) -> Pads:
    """The padding of PyTorch's classifiers."""
    return pads((side - 1) // 2, (size, size), (side, side), stride)


def depthwise_forms(size: int, side: int, stride: int, channels: int) -> dict[str, Form]:
    """Forms of the depthwise convolution."""
    kernel, around = normal(side, side, channels), around_of(size, side, stride)
    return {
        "library": both(lambda x: depthwise.by_library(x, kernel, stride, around)),
        "shifted": both(lambda x: depthwise.by_shifts(x, kernel, stride, around)),
    }


def pool_forms(size: int, side: int, stride: int) -> dict[str, Form]:
    """Forms of the max pool."""
    around = around_of(size, side, stride) if side % 2 else ((0, 0), (0, 0))
    return {
        "library": both(lambda x: ops.max_pool_library(x, side, stride, around)),
        "shifted": both(lambda x: ops.max_pool_shifted(x, side, stride, around)),
    }


def conv_forms(inputs: int, outputs: int, stride: int) -> dict[str, Form]:
    """Forms of the 3x3 convolution."""
    kernel, around = normal(3, 3, inputs, outputs), winograd.AROUND
    forms = {
        "library": both(lambda x: convolve(x, kernel, stride, around)),
        "patches": both(lambda x: patches.conv(x, kernel, stride, around)),
    }
    if stride == 1:
        forms["winograd"] = both(lambda x: winograd.conv(x, kernel))
    return forms


def stem_forms(size: int, side: int, stride: int, outputs: int) -> dict[str, Form]:
    """Forms of the first convolution."""
    kernel, around = normal(side, side, 3, outputs), around_of(size, side, stride)
    return {
        name: partial(forward, kernel=kernel, stride=stride, around=around)
        for name, forward in stem.FORWARD.items()
    }


def stem_gradient_forms(size: int, side: int, stride: int, outputs: int) -> dict[str, Form]:
    """Forms of its gradient."""
    kernel, around = normal(side, side, 3, outputs), around_of(size, side, stride)
    return {
        name: partial(gradient, kernel=kernel, stride=stride, around=around, size=(size, size))
        for name, gradient in stem.GRADIENT.items()
    }


DEPTHWISE = (
    (112, 3, 1, 32, "MobileNetV2"),
    (112, 3, 2, 96, "MobileNetV2"),
    (56, 3, 1, 144, "MobileNetV2"),
    (28, 5, 1, 120, "MobileNetV3"),
    (14, 3, 1, 576, "MobileNetV2"),
    (14, 5, 2, 672, "EfficientNet"),
    (7, 3, 1, 960, "MobileNetV2"),
    (56, 7, 1, 96, "ConvNeXt"),
    (14, 7, 1, 384, "ConvNeXt"),
    (19, 3, 1, 728, "Xception"),
)
"""(input side, kernel side, stride, channels, whose) of depthwise convolutions."""
POOLS = (
    (112, 3, 2, 64, "ResNet"),
    (224, 2, 2, 64, "VGG"),
    (56, 2, 2, 256, "VGG"),
    (14, 2, 2, 512, "VGG"),
    (71, 3, 2, 192, "Inception"),
)
"""(input side, window side, stride, channels, whose) of max pools."""
CONVOLUTIONS = (
    (224, 64, 64, 1, "VGG"),
    (112, 64, 128, 1, "VGG"),
    (112, 128, 128, 1, "VGG"),
    (56, 64, 64, 1, "ResNet"),
    (56, 128, 128, 2, "ResNet"),
    (56, 128, 256, 1, "VGG"),
    (56, 256, 256, 1, "VGG"),
    (28, 128, 128, 1, "ResNet"),
    (28, 256, 256, 2, "ResNet"),
    (28, 256, 512, 1, "VGG"),
    (28, 512, 512, 1, "VGG"),
    (14, 256, 256, 1, "ResNet"),
    (14, 512, 512, 1, "VGG"),
    (14, 512, 512, 2, "ResNet"),
    (7, 512, 512, 1, "ResNet"),
    (16, 64, 64, 1, "ResNet at 64"),
    (8, 128, 128, 1, "ResNet at 64"),
    (8, 128, 256, 2, "ResNet at 64"),
    (4, 256, 256, 1, "ResNet at 64"),
    (4, 256, 512, 2, "ResNet at 64"),
    (2, 512, 512, 1, "ResNet at 64"),
    (4, 512, 512, 1, "VGG at 64"),
)
"""(input side, input channels, output channels, stride, whose) of dense 3x3 convolutions."""
STEMS = (
    (224, 3, 2, 32, "MobileNetV2"),
    (224, 7, 2, 64, "ResNet"),
    (224, 3, 1, 64, "VGG"),
    (299, 3, 2, 32, "Xception"),
)
"""(input side, kernel side, stride, output channels, whose) of first convolutions."""


def measure() -> list[dict[str, Any]]:
    """All rows."""
    rows: list[dict[str, Any]] = []

    def row(operation: str, shape: Shape, forms: dict[str, Form], x: Array, whose: str) -> None:
        seconds = timed(forms, x)
        rows.append(
            {
                "operation": operation,
                "shape": shape._asdict(),
                "whose": whose,
                "seconds": seconds,
                "chosen": form(operation, shape),
            }
        )
        figures = "  ".join(f"{name} {1e3 * s:.1f} ms" for name, s in seconds.items())
        print(f"{operation} {whose} {tuple(shape)}: {figures}", flush=True)

    for size, side, stride, channels, whose in DEPTHWISE:
        shape, x = Shape(side, stride, channels, size), normal(BATCH, size, size, channels)
        row("depthwise", shape, depthwise_forms(size, side, stride, channels), x, whose)
    for size, side, stride, channels, whose in POOLS:
        shape, x = Shape(side, stride, channels, size), normal(BATCH, size, size, channels)
        row("max_pool", shape, pool_forms(size, side, stride), x, whose)
    for size, inputs, outputs, stride, whose in CONVOLUTIONS:
        shape, x = Shape(3, stride, min(inputs, outputs), size), normal(BATCH, size, size, inputs)
        row("conv", shape, conv_forms(inputs, outputs, stride), x, whose)
    for size, side, stride, outputs, whose in STEMS:
        shape, x = Shape(side, stride, 3, size), normal(BATCH, size, size, 3)
        row("stem", shape, stem_forms(size, side, stride, outputs), x, whose)
        out = (size + 2 * ((side - 1) // 2) - side) // stride + 1
        g = normal(BATCH, out, out, outputs)
        row("stem_gradient", shape, stem_gradient_forms(size, side, stride, outputs), g, whose)
    return rows


def networks() -> list[dict[str, Any]]:
    """Whole gradient steps of ResNets, in turn."""
    rows = []
    chosen = TABLE["cpu"]["conv"]
    winograd_everywhere = Rule("winograd", (3, 3), (1, 1), (64, 4096), (3, 64))
    for name in ("resnet18", "resnet50"):
        classifier = random_classifier(registry.find(name))
        programs = {}
        for kind, rules in (("chosen", chosen), ("winograd", (winograd_everywhere, *chosen))):
            TABLE["cpu"]["conv"] = rules
            jax.clear_caches()
            programs[kind] = benchmark.gradient_step([classifier], BATCH)
        TABLE["cpu"]["conv"] = chosen
        seconds: dict[str, list[float]] = {kind: [] for kind in programs}
        for _ in range(REPEATS):
            for kind, program in programs.items():
                seconds[kind] += benchmark.seconds_of(program.call, 2)
        rows.append(
            {
                "name": name,
                "seconds": {kind: statistics.median(times) for kind, times in seconds.items()},
                "compile_seconds": {kind: p.compile_seconds for kind, p in programs.items()},
            }
        )
        print(rows[-1], flush=True)
    return rows


def main(words: list[str]) -> int:
    """Measure, print, write the file."""
    memory.keep_freed()
    place = Path(words[0] if words else f"docs/benchmarks/lowerings-{jax.default_backend()}.json")
    write_json(
        place,
        {
            "device": benchmark.hardware(),
            "versions": benchmark.versions("jax", "jaxlib"),
            "batch": BATCH,
            "rows": measure(),
            **({"networks": networks()} if jax.default_backend() == "cpu" else {}),
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
