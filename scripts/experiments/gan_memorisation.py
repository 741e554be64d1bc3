#!/usr/bin/env python
"""Whether a trained GAN copies its training faces: figures, and a picture of fills beside them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from jaxanon.anonymizers.gan import checkpoint
from jaxanon.anonymizers.gan.faces import load
from jaxanon.anonymizers.gan.gauges import Gauges
from jaxanon.anonymizers.gan.samples import grid
from jaxanon.anonymizers.gan.settings import TrainingSettings
from jaxanon.anonymizers.gan.step import TrainState
from jaxanon.io.files import write

SEEDS = 4
SHOWN = 8
MOVES = 2
"""Training faces are also tried moved by up to so many pixels in each direction."""


class Nearest(NamedTuple):
    """The training face that is nearest to each picture.

    Attributes:
        distance: `(n,)`, root mean square over the region, in levels of 255.
        which: `(n,)`, index of the training face.
        face: `(n, size, size, 3)` in [0, 1], that face, flipped and moved as it is nearest.
    """

    distance: np.ndarray
    which: np.ndarray
    face: np.ndarray


def variants(faces: np.ndarray) -> np.ndarray:
    """Each face as it is, flipped, and moved by up to `MOVES` pixels, its edge repeated.

    Args:
        faces: `(n, size, size, 3)`.

    Returns:
        `(variants, n, size, size, 3)`.
    """
    size = faces.shape[1]
    around = [(0, 0), (MOVES, MOVES), (MOVES, MOVES), (0, 0)]
    reach = range(2 * MOVES + 1)
    return np.stack(
        [
            padded[:, top : top + size, left : left + size]
            for padded in (np.pad(each, around, "edge") for each in (faces, faces[:, :, ::-1]))
            for top in reach
            for left in reach
        ]
    )


def nearest(pictures: np.ndarray, mask: np.ndarray, training: np.ndarray) -> Nearest:
    """The nearest training face of each picture, whatever its brightness.

    The mean of the region is taken off both, since training varies the light.

    Args:
        pictures: `(n, size, size, 3)` in [0, 1].
        mask: `(size, size)` bool, the region.
        training: `(m, size, size, 3)` in [0, 1].
    """
    tried = variants(training)
    rows, others = _centred(pictures[:, mask]), _centred(tried[:, :, mask])
    flat = others.reshape(-1, others.shape[-1])
    squares = (rows**2).sum(1)[:, None] + (flat**2).sum(1)[None, :] - 2 * rows @ flat.T
    best = squares.argmin(1)
    index = best % len(training)
    # From the differences: of equal pictures, the sum above leaves what it was rounded by.
    distance = 255 * np.sqrt(np.square(rows - flat[best]).mean(1))
    return Nearest(distance, index, tried[best // len(training), index])


def _centred(regions: np.ndarray) -> np.ndarray:
    """`(..., pixels, 3)` less the mean over the pixels, as float64 rows `(..., pixels * 3)`."""
    values = regions.astype(np.float64)
    values -= values.mean((-2, -1), keepdims=True)
    return values.reshape(*values.shape[:-2], -1)


def measure(
    gauges: Gauges, state: TrainState, training: np.ndarray, held_out: np.ndarray
) -> tuple[dict[str, dict[str, float]], list[np.ndarray]]:
    """Compare fills with the training faces.

    Args:
        gauges: draws fills.
        state: trained networks.
        training: `(m, size, size, 3)` in [0, 1], training faces.
        held_out: `(n, size, size, 3)` in [0, 1], held-out faces.

    Returns:
        Figures by what they are of; and columns of pictures: fills, and the training faces that
        are nearest to them, around training faces, then around held-out faces.
    """
    mask = gauges.mask[..., 0] > 0
    reference = nearest(held_out, mask, training).distance
    result = {"held-out faces": _summary(reference, reference)}
    both, first = np.concatenate([training, held_out]), 0
    columns = []
    for name, contexts in (("training contexts", training), ("held-out contexts", held_out)):
        fills = [gauges.fills(state, contexts, seed) for seed in range(SEEDS)]
        near = [nearest(each, mask, training) for each in fills]
        figures = _summary(np.concatenate([each.distance for each in near]), reference)
        places = first + np.arange(len(contexts))
        own = [nearest(each, mask, both).which == places for each in fills]
        figures["nearest of all is the hidden face"] = float(np.mean(own))
        first += len(contexts)
        change = np.mean(
            [np.abs(fills[a] - fills[b])[:, mask].mean() for a in range(SEEDS) for b in range(a)]
        )
        figures["difference between seeds"] = float(255 * change)
        result[f"fills, {name}"] = figures
        order = np.argsort(near[0].distance)[:SHOWN]
        columns += [fills[0][order], near[0].face[order]]
    return result, columns


def main() -> None:
    """Print the figures as JSON and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gan", type=Path, metavar="GAN", help="trained folder")
    parser.add_argument("faces", type=Path, metavar="FACES", help="what it was trained on")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.png")
    args = parser.parse_args()
    if args.output.exists():
        parser.error(f"{args.output} exists; name another file, or remove it")
    recorded = checkpoint.read_settings(args.gan)
    settings = TrainingSettings.from_json(recorded)
    faces = load(args.faces, settings.size, lambda text: print(text, file=sys.stderr))
    if faces.digest != recorded["faces"] or not checkpoint.found(args.gan):
        parser.error(f"{args.gan} was not trained on {args.faces}, or has no checkpoint yet")
    place = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    networks, state = checkpoint.load(args.gan, settings, place)
    training = faces.training.astype(np.float32) / 255
    held_out = faces.held_out.astype(np.float32) / 255
    result, columns = measure(Gauges(networks, settings, faces), state, training, held_out)
    print(json.dumps(result, indent=2))
    rows = min(map(len, columns))
    write(args.output, grid([column[:rows] for column in columns]))


def _summary(distances: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Distances in levels, and the share that is nearer than any held-out face's `reference`."""
    low, middle, high = np.quantile(distances, [0, 0.5, 1])
    return {
        "least": float(low),
        "median": float(middle),
        "most": float(high),
        "nearer than any held-out face": float((distances < reference.min()).mean()),
    }


if __name__ == "__main__":
    main()
