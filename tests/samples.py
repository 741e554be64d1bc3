"""Small made-up classifiers and pictures."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.config import Config
from jaxanon.classifiers.layers.basic import Conv, Linear


class TinyNet(nnx.Module):
    """Two convolutions and a head: enough to be fooled and repaired."""

    def __init__(self, num_classes: int) -> None:
        self.first = Conv(3, 12, 5, stride=2, padding="same")
        self.second = Conv(12, 24, 3, stride=2, padding=1)
        self.head = Linear(24, num_classes)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = jax.nn.relu(self.first(x))
        return self.head(jax.nn.relu(self.second(x)).mean((1, 2)))


def tiny(name: str, seed: int, size: int = 32, num_classes: int = 10) -> Classifier:
    """A classifier with random weights; for two classes its head has one output."""
    generator = np.random.default_rng(seed)
    model = TinyNet(1 if num_classes == 2 else num_classes)
    for _, layer in nnx.iter_modules(model):
        if isinstance(layer, Conv | Linear):
            shape = layer.kernel.shape
            scale = 2 / np.sqrt(np.prod(shape[:-1]))
            layer.kernel = nnx.Param(jnp.asarray(scale * generator.normal(size=shape), jnp.float32))
            layer.bias = nnx.Param(
                jnp.asarray(0.1 * generator.normal(size=shape[-1:]), jnp.float32)
            )
    config = Config(
        input_size=size,
        crop_pct=0.875,
        interpolation="bicubic",
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        num_classes=num_classes,
        licence="none",
        origin="random",
    )
    return Classifier.from_model(name, config, model)


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """A smooth random picture with some fine detail, `(height, width, 3)` uint8."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = sum(
        generator.normal()
        * np.sin(2 * np.pi * (generator.normal(size=(2, 3)) * 4).T @ [y.ravel(), x.ravel()])
        for _ in range(5)
    )
    smooth = np.asarray(waves).T.reshape(height, width, 3)
    noise = generator.normal(scale=0.3, size=smooth.shape)
    return np.clip(128 + 45 * (smooth + noise), 0, 255).astype(np.uint8)
