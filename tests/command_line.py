"""Runs the command line in tests, on tiny classifiers under names of their own."""

import numpy as np
from flax import nnx
from samples import TinyNet, tiny

from jaxanon.classifiers import registry
from jaxanon.classifiers.family import INCEPTION_MEAN, INCEPTION_STD, Family, Weights
from jaxanon.classifiers.layers.basic import Conv, Linear
from jaxanon.cli import main

NAMES = ("tiny_a.test", "tiny_b.test", "tiny_c.test")


def torch_layout(seed: int, classes: int) -> dict[str, np.ndarray]:
    """The tiny classifier's weights as PyTorch would store them."""
    classifier = tiny("x", seed, num_classes=classes)
    model = nnx.merge(classifier.network.graph, classifier.params)
    state = {}
    for path, layer in nnx.iter_modules(model):
        if isinstance(layer, Conv | Linear):
            kernel = np.asarray(layer.kernel[...])
            axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
            state[f"{path[0]}.weight"] = np.ascontiguousarray(kernel.transpose(axes))
            state[f"{path[0]}.bias"] = np.asarray(layer.bias[...])
    return state


def with_tinies() -> dict[str, registry.Entry]:
    """The registry, and three tiny classifiers."""
    weights = {
        name.split(".")[0]: Weights("test", 32 + 8 * i, mean=INCEPTION_MEAN, std=INCEPTION_STD)
        for i, name in enumerate(NAMES)
    }
    family = Family(weights, lambda architecture, classes, size: TinyNet(classes), "head.weight")
    return registry.ENTRIES | {
        name: registry.Entry(name, family, row) for name, row in weights.items()
    }


def jaxanon(*words):
    return main(cheaply([str(word) for word in words]))


def cheaply(words):
    """A command line with the preset `fast`, unless it names one: the default takes long."""
    loops = words[0] in ("anonymize", "adapt", "attack") and "--preset" not in words
    return [*words, "--preset", "fast"] if loops else words


def anonymize(zoo, src, out, *more):
    return jaxanon(
        "anonymize", src, "-o", out, "--sources", ",".join(zoo[:2]), "--targets", zoo[2],
        "--strength", 10, "--eps", 40, *more,
    )  # fmt: skip
