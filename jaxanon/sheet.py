"""The contact sheet: what the images look like, and what each classifier says of them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxanon.ensemble import Ensemble
from jaxanon.labels import label

TILE, GAP, LINE, TOP = 256, 14, 17, 2
AMPLIFY = 8
HEADINGS = ("original", "anonymized", "adapted", f"difference x{AMPLIFY}")
INK, FAINT, GOOD, BAD = "#1a1a1a", "#777777", "#1a7f37", "#b42318"

Triple = tuple[np.ndarray, ...]
"""Original, anonymized and adapted image."""


def sheet(rows: Sequence[Triple], ensemble: Ensemble) -> bytes:
    """A PNG with one row per image.

    It shows the originals: it is for those who may see them.

    Args:
        rows: one `Triple` an image, `(H, W, 3)` uint8 each.
        ensemble: classifiers whose top classes stand under each picture, in green where the first
            is the one that the classifier finds on the original, else in red.
    """
    said = [ensemble.logits(images) for images in zip(*rows, strict=True)]
    font, head = ImageFont.load_default(12), ImageFont.load_default(15)
    words = len(ensemble.names) * (TOP + 1) * LINE
    strips = [[_small(picture) for picture in _pictures(*row)] for row in rows]
    heights = [max(small.size[1] for small in strip) + words + 2 * GAP for strip in strips]
    canvas = Image.new("RGB", (GAP + 4 * (TILE + GAP), 2 * GAP + LINE + sum(heights)), "white")
    draw = ImageDraw.Draw(canvas)
    for column, heading in enumerate(HEADINGS):
        draw.text((GAP + column * (TILE + GAP), GAP), heading, INK, head)
    y = 2 * GAP + LINE
    for r, (strip, height) in enumerate(zip(strips, heights, strict=True)):
        for column, small in enumerate(strip):
            x = GAP + column * (TILE + GAP)
            canvas.paste(small, (x, y))
            if column < 3:
                below = y + height - words - 2 * GAP + 4
                _words(draw, font, x, below, ensemble, said, column, r)
        y += height
    out = io.BytesIO()
    canvas.save(out, "png", optimize=True)
    return out.getvalue()


def _pictures(
    original: np.ndarray, anonymized: np.ndarray, adapted: np.ndarray
) -> tuple[np.ndarray, ...]:
    gap = (adapted.astype(np.int16) - anonymized) * AMPLIFY + 128
    return original, anonymized, adapted, np.clip(gap, 0, 255).astype(np.uint8)


def _small(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    image.thumbnail((TILE, TILE))
    return image


def _words(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    x: int,
    y: int,
    ensemble: Ensemble,
    said: Sequence[Sequence[np.ndarray]],
    column: int,
    row: int,
) -> None:
    """Each classifier's name and its top classes with their probabilities."""
    for c, classifier in enumerate(ensemble.classifiers):
        scores = said[column][c][row].astype(np.float64)
        odds = np.exp(scores - scores.max())
        odds /= odds.sum()
        draw.text((x, y), classifier.name, FAINT, font)
        y += LINE
        reference = said[0][c][row].argmax()
        for rank, decision in enumerate(np.argsort(-scores)[:TOP]):
            colour = FAINT if rank else GOOD if decision == reference else BAD
            text = f"{odds[decision]:.0%} {label(classifier.config, int(decision))}"
            draw.text((x + 8, y), text[:40], colour, font)
            y += LINE
