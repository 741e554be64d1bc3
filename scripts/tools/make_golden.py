"""Golden logits of timm's models, for the tests that run without PyTorch.

    python scripts/tools/make_golden.py [FAMILY ...]

Writes `tests/golden/FAMILY.json`: per architecture the side of the input and a digest of the state
dict's keys and shapes; for `FORMS` also timm's logits for weights and pixels that
`jaxanon.classifiers.random_weights` draws alike everywhere. Needs the extra `parity` (torch, timm),
whose tests compare the logits of all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from jaxanon.classifiers.families import FAMILIES
from jaxanon.classifiers.family import Weights
from jaxanon.classifiers.random_weights import digest, draw, pixels
from jaxanon.io.files import write

FOLDER = Path(__file__).parents[2] / "tests" / "golden"
CLASSES, IMAGES, SEED = 7, 2, 11
SMALL = {"inception_v3": 96, "vit": 224, "swin": 224}
"""Sides of the input, for families that 64 pixels will not do for."""
FORMS = [next(iter(family.variants)) for family in FAMILIES.values()] + [
    *("resnet26d", "resnet50", "vgg11_bn", "tf_efficientnet_b1", "mobilenetv3_large_075"),
    *("resnet18d", "xception71"),
]
"""The first of each family, and the forms in which others differ."""


def golden(architecture: str, weights: Weights, size: int) -> dict[str, object]:
    """Timm's answer for drawn weights and pixels."""
    import timm
    import torch

    model = timm.create_model(architecture, num_classes=CLASSES).eval()
    floats = {k: tuple(v.shape) for k, v in model.state_dict().items() if v.is_floating_point()}
    state = {key: torch.from_numpy(value) for key, value in draw(floats, SEED).items()}
    model.load_state_dict(state, strict=False)
    row: dict[str, object] = {"size": size, "keys": digest(floats)}
    if architecture not in FORMS:
        return row
    images = torch.from_numpy(pixels((IMAGES, size, size, 3), SEED))
    mean, std = (images.new_tensor(v) for v in (weights.mean, weights.std))
    with torch.no_grad():
        logits = model.double()(((images - mean) / std).permute(0, 3, 1, 2).double())
    return {**row, "logits": np.float32(logits.numpy()).tolist()}


def main(names: list[str]) -> int:
    """Write the files of the families named, or of all."""
    for name in names or FAMILIES:
        size = SMALL.get(name, 64)
        rows = {a: golden(a, weights, size) for a, weights in FAMILIES[name].variants.items()}
        data = {"seed": SEED, "classes": CLASSES, "architectures": rows}
        write(FOLDER / f"{name}.json", (json.dumps(data, indent=1) + "\n").encode())
        print(name, *rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
