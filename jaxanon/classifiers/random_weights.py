"""Random weights in timm's layout, the same on every machine and NumPy: for tests and dry runs.

Each array depends on the seed, its key and its shape alone, whatever else is drawn. Its numbers
are uniform and made from PCG64's raw output, the part of NumPy's generators whose stream is
guaranteed not to change.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace

import numpy as np

from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.layers.leaf import Keys
from jaxanon.classifiers.registry import Entry
from jaxanon.classifiers.weights.port import expected, port

RANDOM = "random-weights"
"""The tag of classifiers with random weights."""

GAIN = 1.5
"""Variance that a layer's weights multiply the signal's with: at He's 2 deep networks are chaotic
in float32, at 1 the signal dies out."""


def noise(shape: tuple[int, ...], seed: int, key: str) -> np.ndarray:
    """Uniform float32 numbers of mean 0 and variance 1.

    Args:
        shape: shape of the result.
        seed: non-negative integer; another seed gives other numbers.
        key: name of the array; another name gives other numbers.
    """
    count = int(np.prod(shape))
    bits = np.random.PCG64([seed, zlib.crc32(key.encode())]).random_raw((count + 1) // 2)
    uniform = bits.astype("<u8").view("<u4")[:count].astype(np.float32)
    uniform *= np.float32(2**-32 * 12**0.5)
    uniform -= np.float32(3**0.5)
    return uniform.reshape(shape)


def draw(shapes: Keys, seed: int = 0) -> dict[str, np.ndarray]:
    """A random state dict; statistics of batch norms are random too.

    Args:
        shapes: key -> shape, as `port.expected` gives them.
        seed: non-negative integer; another seed is another network.
    """
    state = {}
    for key, shape in shapes.items():
        values = noise(shape, seed, key)
        leaf = key.rpartition(".")[2]
        if len(shape) >= 2 and shape[0] > 1:
            values *= np.float32((GAIN / np.prod(shape[1:])) ** 0.5)
        elif leaf in ("weight", "gamma"):
            values = 1 + np.float32(0.2) * values
        elif leaf == "running_var":
            values = 1 + np.float32(0.3) * values
        else:
            values *= np.float32(0.2)
        state[key] = values
    return state


def pixels(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random pixels in [0, 1], float32, of a shape such as `(batch, size, size, 3)`."""
    return np.float32(0.5) + noise(shape, seed, "pixels") * np.float32(12**-0.5)


def digest(shapes: Keys) -> str:
    """A hash of a state dict's sorted keys and shapes: 16 hexadecimal digits."""
    lines = "\n".join(f"{key} {tuple(shape)}" for key, shape in sorted(shapes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def random_classifier(entry: Entry, size: int | None = None) -> Classifier:
    """A classifier with random weights, and a name that says so.

    Args:
        entry: the registry's row of the architecture.
        size: side of the input in pixels; the table's by default.
    """
    size = size or entry.config.input_size
    model = entry.build(entry.config.num_classes, size)
    port(model, draw(expected(model)), entry.architecture)
    config = replace(entry.config, origin="random numbers", licence="none", input_size=size)
    return Classifier.from_model(f"{entry.architecture}.{RANDOM}", config, model)
