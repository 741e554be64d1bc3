#!/usr/bin/env python
"""Write the 100 faces that scikit-image ships, 25 by 25 pixels and grey, as PNG files.

They are cut out of Labeled Faces in the Wild; scikit-image states no licence of their own for them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder")
    out: Path = parser.parse_args().out
    from skimage import data

    faces: np.ndarray = data.lfw_subset()

    out.mkdir(parents=True, exist_ok=True)
    for number, face in enumerate(faces[:100]):  # the other 100 show no faces
        Image.fromarray(np.rint(255 * face).astype(np.uint8)).save(out / f"face-{number:03}.png")


if __name__ == "__main__":
    main()
