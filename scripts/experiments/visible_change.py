"""What adaptation changes, side by side at full size: one picture under several settings.

Every pixel of the pictures is one of the sheet. The picture is scikit-image's `chelsea` (CC0),
blurred; sources are EfficientNet-Lite 0 and 1.

    python scripts/experiments/visible_change.py docs/visible-change.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ablation_rows import settings_of
from PIL import Image, ImageDraw, ImageFont

from jaxanon import adapt, anonymize, load_ensemble
from jaxanon.metrics import difference
from jaxanon.privacy.examine import likeness

ROWS = ("fast", "signs", "balanced", "transfer", "bound 31 by luma")
"""Rows of `ablate_transfer.py` that are shown, after the anonymized picture."""
SOURCES = ["tf_efficientnet_lite0", "tf_efficientnet_lite1"]
GAP, LINE, ACROSS = 8, 22, 3


def captioned(original: np.ndarray, strength: float) -> list[tuple[str, np.ndarray]]:
    """Title -> the anonymized picture, and what it is adapted to under each row.

    Args:
        original: `(H, W, 3)` uint8.
        strength: of the blur.
    """
    ensemble = load_ensemble(SOURCES)
    hidden = anonymize(original, "blur", strength=strength)
    reference = ensemble.decide([original])
    shown = [("anonymized", hidden)]
    for row in ROWS:
        (adapted,) = adapt([hidden], reference, ensemble, settings_of(row, 0)).images
        _, ratio = difference(adapted, hidden)
        alike = likeness(hidden, adapted)["ssim"]
        shown.append((f"{row}: {ratio:.1f} dB, SSIM {alike:.3f}", adapted))
    return shown


def sheet(shown: list[tuple[str, np.ndarray]]) -> Image.Image:
    """Pictures of one size in rows of three, each under its title."""
    height, width = shown[0][1].shape[:2]
    down = -(-len(shown) // ACROSS)
    step = width + GAP, height + LINE + GAP
    canvas = Image.new("RGB", (GAP + ACROSS * step[0], GAP + down * step[1]), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (title, picture) in enumerate(shown):
        x, y = GAP + i % ACROSS * step[0], GAP + i // ACROSS * step[1]
        draw.text((x, y), title, "#1a1a1a", ImageFont.load_default(15))
        canvas.paste(Image.fromarray(picture), (x, y + LINE))
    return canvas


def main(argv: list[str] | None = None) -> None:
    """Save the sheet."""
    from skimage.data import chelsea

    parser = argparse.ArgumentParser(description="Adapted pictures side by side at full size.")
    parser.add_argument("to", type=Path, metavar="FILE.png")
    parser.add_argument("--strength", type=float, default=12, metavar="X", help="of the blur")
    args = parser.parse_args(argv)
    shown = captioned(chelsea(), args.strength)
    sheet(shown).save(args.to, optimize=True)
    for title, _ in shown[1:]:
        print(title)


if __name__ == "__main__":
    main()
