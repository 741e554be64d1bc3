#!/usr/bin/env python
"""Whether a trained GAN copies its training faces: figures, and a picture of fills beside them."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import jax
import numpy as np

from jaxanon.files import write
from jaxanon.gan import checkpoint
from jaxanon.gan.faces import load
from jaxanon.gan.gauges import Gauges
from jaxanon.gan.memorisation import nearest
from jaxanon.gan.samples import grid
from jaxanon.gan.settings import TrainingSettings

SEEDS = 4
SHOWN = 8


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
    gauges = Gauges(networks, settings, faces)
    mask = gauges.mask[..., 0] > 0
    training = faces.training.astype(np.float32) / 255
    held_out = faces.held_out.astype(np.float32) / 255
    result: dict[str, dict[str, float]] = {}
    reference = nearest(held_out, mask, training).distance
    result["held-out faces"] = _summary(reference, reference)
    both, first = np.concatenate([training, held_out]), 0
    columns = []
    for name, contexts in (("training contexts", training), ("held-out contexts", held_out)):
        made = [gauges.fills(state, contexts, seed) for seed in range(SEEDS)]
        near = [nearest(each, mask, training) for each in made]
        everything = np.concatenate([each.distance for each in near])
        result[f"fills, {name}"] = _summary(everything, reference)
        places = first + np.arange(len(contexts))
        own = [nearest(each, mask, both).which == places for each in made]
        result[f"fills, {name}"]["nearest of all is the hidden face"] = float(np.mean(own))
        first += len(contexts)
        change = np.mean(
            [np.abs(made[a] - made[b])[:, mask].mean() for a in range(SEEDS) for b in range(a)]
        )
        result[f"fills, {name}"]["difference between seeds"] = float(255 * change)
        order = np.argsort(near[0].distance)[:SHOWN]
        columns += [made[0][order], near[0].face[order]]
    print(json.dumps(result, indent=2))
    rows = min(map(len, columns))
    write(args.output, grid([column[:rows] for column in columns]))


def _summary(distances: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """In levels; and how many lie nearer to a training face than any held-out face does."""
    low, middle, high = np.quantile(distances, [0, 0.5, 1])
    return {
        "least": float(low),
        "median": float(middle),
        "most": float(high),
        "nearer than any held-out face": float((distances < reference.min()).mean()),
    }


if __name__ == "__main__":
    main()
