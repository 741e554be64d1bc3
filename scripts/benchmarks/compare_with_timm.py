"""Every classifier against timm's: logits and input gradients with the same random weights.

Per architecture, at its native size, on two of the demo's photos (with faint noise, so that flat
areas do not tie in max pools): the largest difference of
logits relative to the largest logit, in float32; and the relative Euclidean distance of the
gradients of the cross-entropy by the pixels, in float64 and in float32. ReLU, ReLU6 and max
pooling have kinks: in float32 some activation usually sits so near to one that rounding decides
on the side, and the gradient jumps there. So two float32 gradients may differ by more than 1e-3
with both right; timm's float32 gradient is therefore compared with its own float64 one too.

    python scripts/benchmarks/compare_with_timm.py docs/parity.json docs/parity.md [ARCHITECTURE
    ...]

With architectures named, the others' figures stay as they are in the file.
Needs the extras `demo` (photos) and `parity` (torch, timm).
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.config import Config
from jaxanon.classifiers.random_weights import draw, noise
from jaxanon.classifiers.weights.checkpoint import read_state_dict
from jaxanon.classifiers.weights.naming import COUNTER, translate
from jaxanon.classifiers.weights.port import port
from jaxanon.display.tables import table
from jaxanon.io.files import write
from jaxanon.io.packaged import demo_photos

SEED, CLASSES = 7, 1000
LABELS = np.array([3, 400])

State = Mapping[str, np.ndarray]


def pixels(size: int) -> np.ndarray:
    """Two photos and faint noise, `(2, size, size, 3)` in [0, 1].

    Without the noise the windows of a max pool tie in flat areas, and rounding chooses.
    """
    images = [Image.open(path).convert("RGB").resize((size, size)) for path, _ in demo_photos()[:2]]
    stacked = np.stack([np.asarray(image, np.float32) / 255 for image in images])
    grain = noise(stacked.shape, SEED, "grain")
    return np.float32(0.02) + np.float32(0.96) * stacked + np.float32(0.01) * grain


def timm_model(architecture: str, classes: int = CLASSES) -> tuple[Any, dict[str, np.ndarray]]:
    """Timm's model with drawn weights, and these."""
    import timm
    import torch

    model = timm.create_model(architecture, num_classes=classes).eval().requires_grad_(False)
    state = model.state_dict()
    shapes = {k: tuple(v.shape) for k, v in state.items() if v.is_floating_point()}
    drawn = draw(shapes, SEED)
    model.load_state_dict({k: torch.from_numpy(v) for k, v in drawn.items()}, strict=False)
    return model, drawn


def timm_filled(name: str, file: Path, classes: int | None = None) -> Any:
    """Timm's model with the weights in a file, in any naming that the classifier's family knows.

    Args:
        name: name of the classifier.
        file: its weights.
        classes: their number; the table's by default.
    """
    import timm
    import torch

    entry, state = registry.find(name), read_state_dict(file)
    classes = classes or entry.config.num_classes
    model = timm.create_model(entry.architecture, num_classes=classes).eval()
    names = translate(entry.family, entry.architecture, state, model.state_dict()).names
    stored = {ours: torch.tensor(state[key]) for key, ours in names.items()}
    missing, unexpected = model.load_state_dict(stored, strict=False)
    assert not unexpected
    assert all(key.endswith(COUNTER) for key in missing), missing
    return model.requires_grad_(False)


def theirs(model: Any, config: Config, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Timm's logits and input gradients, in the precision of `images`."""
    import torch

    by = torch.tensor(images, requires_grad=True)
    logits = _forward(model, config, by)
    labels = torch.from_numpy(LABELS)
    torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
    assert by.grad is not None
    return logits.detach().numpy(), by.grad.numpy()


def their_logits(model: Any, config: Config, images: np.ndarray) -> np.ndarray:
    """Timm's logits alone, which take a third of the time, in the precision of `images`."""
    import torch

    with torch.no_grad():
        logits: np.ndarray = _forward(model, config, torch.from_numpy(images)).numpy()
    return logits


def _forward(model: Any, config: Config, images: Any) -> Any:
    """The logits of a tensor `(n, H, W, 3)`, in its precision."""
    mean, std = (images.new_tensor(v).view(1, 3, 1, 1) for v in (config.mean, config.std))
    return model.to(images.dtype)((images.permute(0, 3, 1, 2) - mean) / std)


def ours(architecture: str, state: State, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Our logits and input gradients, in the precision of `images`."""
    entry = registry.find(architecture)

    def loss(images: jax.Array, params: Any) -> tuple[jax.Array, jax.Array]:
        logits = classifier.network.apply(params, images)
        odds = jax.nn.log_softmax(logits)
        return -odds[jnp.arange(len(LABELS)), jnp.asarray(LABELS)].sum(), logits

    with jax.enable_x64(images.dtype == np.float64):
        model = entry.build(CLASSES)
        port(model, state, architecture, dtype=images.dtype)
        classifier = Classifier.from_model(entry.name, entry.config, model)
        step = jax.jit(jax.grad(loss, has_aux=True))
        gradient, logits = step(jnp.asarray(images), classifier.params)
        return np.asarray(logits), np.asarray(gradient)


def distance(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Relative Euclidean distance from `b`, per image."""
    gaps, sizes = (np.linalg.norm(x.reshape(len(b), -1), axis=1) for x in (a - b, b))
    return [float(gap / size) for gap, size in zip(gaps, sizes, strict=True)]


def compare(architecture: str) -> dict[str, Any]:
    """The figures of one architecture."""
    config = registry.find(architecture).config
    images = pixels(config.input_size)
    model, state = timm_model(architecture)
    logits, gradient = theirs(model, config, images)
    my_logits, my_gradient = ours(architecture, state, images)
    _, exact = theirs(model, config, images.astype(np.float64))
    _, my_exact = ours(architecture, state, images.astype(np.float64))
    largest = float(np.abs(logits).max())
    jax.clear_caches()
    gc.collect()
    return {
        "architecture": architecture,
        "input_size": config.input_size,
        "largest_logit": largest,
        "logits": float(np.abs(my_logits - logits).max()) / largest,
        "gradient_float32": distance(my_gradient, gradient),
        "gradient_float64": distance(my_exact, exact),
        "gradient_float32_own": distance(my_gradient, my_exact),
        "gradient_float32_timm": distance(gradient, exact),
    }


def page(rows: list[dict[str, Any]], versions: Mapping[str, str]) -> str:
    """The figures as a page of Markdown."""
    head = [
        "architecture",
        "input",
        "logits",
        "gradient, float64",
        "gradient, float32",
        "ours to float64",
        "timm to float64",
    ]
    keys = (
        "gradient_float64",
        "gradient_float32",
        "gradient_float32_own",
        "gradient_float32_timm",
    )
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        cells = [row["architecture"], str(row["input_size"]), f"{row['logits']:.1e}"]
        cells += [f"{max(row[key]):.1e}" for key in keys]
        lines.append("| " + " | ".join(cells) + " |")
    text = " ".join((__doc__ or "").split("\n\n")[1].split())
    made = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        "# Parity with timm\n\n"
        "Every architecture against timm's, with the same random weights (batch-norm statistics "
        "too).\n\n"
        f"{textwrap.fill(text, 100)}\n\nThe larger of the two photos' figures:\n\n"
        + "\n".join(lines)
        + "\n\n"
        "Written by "
        "`python scripts/benchmarks/compare_with_timm.py docs/parity.json docs/parity.md` "
        f"on a CPU with {made}.\n"
    )


def main(words: list[str]) -> int:
    """Compare, print as it goes, write both files."""
    if len(words) < 2:
        print(__doc__)
        return 2
    data, text, names = Path(words[0]), Path(words[1]), words[2:] or sorted(registry.ENTRIES)
    kept = json.loads(data.read_text())["rows"] if words[2:] and data.exists() else []
    by_name = {row["architecture"]: row for row in kept}
    for name in names:
        row = by_name[name] = compare(name)
        print(table(list(row), [[str(value) for value in row.values()]]), flush=True)
    rows = [by_name[name] for name in sorted(by_name)]
    packages = ("jax", "flax", "torch", "timm")
    versions = {name: importlib.metadata.version(name) for name in packages}
    write(data, (json.dumps({"versions": versions, "rows": rows}, indent=1) + "\n").encode())
    write(text, page(rows, versions).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
