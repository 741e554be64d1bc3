"""The flags that say what is private, and the finder of regions that they ask for."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxanon.io.inputs import InputImage
    from jaxanon.regions.finder import RegionFinder


def add_region_flags(command: argparse.ArgumentParser) -> None:
    """Add `--regions` and what goes with it."""
    add = command.add_argument
    add(
        "--regions",
        default="whole",
        metavar="WHERE",
        help="what is private: whole, faces (found by a detector; a folder of that name is "
        "./faces), a JSON file of boxes, or a folder of masks (default: whole)",
    )
    add("--threshold", type=float, metavar="X", help="score of a face, 0 to 1 (default: 0.2)")
    add(
        "--grow",
        type=float,
        metavar="X",
        help="how far a box or face grows on each side, as a share of its longer one "
        "(default: 0.1)",
    )
    add("--also", type=Path, metavar="FILE.json", help="boxes that are private besides the faces")
    add(
        "--exempt",
        type=Path,
        metavar="FILE.json",
        help="boxes; a face whose centre lies in one of them is left as it is",
    )
    add(
        "--preview",
        type=Path,
        metavar="FILE.png",
        help="sheet of the first inputs with what is private; it shows the originals",
    )


def region_finder_from(args: argparse.Namespace, inputs: Iterable[InputImage]) -> RegionFinder:
    """What finds the regions that the flags of `add_region_flags` ask for.

    Args:
        args: parsed words of a command.
        inputs: all images of the run.

    Raises:
        UsageError: for regions that cannot be had, flags that mean nothing for them, or a file of
            further boxes that lists what is not among the inputs.
    """
    from jaxanon.regions.finder import region_finder  # Pillow, which `--help` can do without

    return region_finder(
        args.regions,
        [image.relative for image in inputs],
        growth=args.grow,
        threshold=args.threshold,
        also=args.also,
        exempt=args.exempt,
    )
