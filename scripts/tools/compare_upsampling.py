"""How much of a perturbation on the canvas a classifier sees, for four ways to enlarge it.

The perturbation of a photo larger than the canvas must be enlarged, and each view shrinks it
again. For each way this prints, over views of 224, 240 and 260 pixels:

- noise: share of a white-noise perturbation's standard deviation that reaches the view;
- finest: share of the finest checkerboard's amplitude that reaches it, at its strongest;
- overshoot: largest change of a pixel in the file, where the canvas changes by at most one.
  A bound on the file allows the canvas one over this;
- noise/bound: the first over the third: what reaches the view under a bound on the file.

No weights and no photos are needed: `python scripts/tools/compare_upsampling.py`.
"""

from __future__ import annotations

import numpy as np

from jaxanon.adaptation.canvas import CANVAS, Canvas
from jaxanon.classifiers import registry
from jaxanon.classifiers.preprocessing import crop_start, resampling_matrix, resized
from jaxanon.display.tables import table


def enlargements(side: int, reference: np.ndarray) -> dict[str, np.ndarray]:
    """Ways from canvas to square, `(side, canvas)`; `reference` is the view that one inverts."""
    cell = np.arange(side) * CANVAS // side
    return {
        "cells (ours)": np.eye(CANVAS)[cell],
        "bilinear": resampling_matrix(CANVAS, side, "bilinear"),
        "bicubic": resampling_matrix(CANVAS, side, "bicubic"),
        "inverse of a view": reference.T @ np.linalg.inv(reference @ reference.T),
    }


def main() -> None:
    """Print the table."""
    finest = (-1.0) ** np.arange(CANVAS)
    rows = []
    for height, width in ((512, 512), (683, 1024), (3000, 4000)):
        canvas = Canvas(height, width)
        reference = resampling_matrix(canvas.side, CANVAS, "bicubic")
        for name, up in enlargements(canvas.side, reference).items():
            overshoot = np.abs(up).sum(1).max() ** 2
            for architecture in (f"tf_efficientnet_lite{i}" for i in range(3)):
                config = registry.find(architecture).config
                short = resized(height, width, config.resize)[0]
                start = crop_start(short, config.input_size)
                down = resampling_matrix(canvas.side, short, config.interpolation)
                seen = (down @ up)[start : start + config.input_size]
                noise = float(np.square(seen).sum(1).mean())
                peak = float(np.abs(seen @ finest).max() ** 2)
                rows.append(
                    [
                        f"{width}x{height} -> {config.input_size}: {name}",
                        *(f"{v:.2f}" for v in (noise, peak, overshoot, noise / overshoot)),
                    ]
                )
    print(table(["photo, view, enlargement", "noise", "finest", "overshoot", "noise/bound"], rows))


if __name__ == "__main__":
    main()
