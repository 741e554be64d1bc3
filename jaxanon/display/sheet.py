"""Contact sheets: what images look like, and what each classifier decides on them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxanon.classifiers.config import Config
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.labels import label
from jaxanon.display.tables import counted
from jaxanon.metrics import softmax
from jaxanon.regions.region import Region

TILE, GAP, LINE, TOP = 256, 14, 17, 2
AMPLIFY = 8
HEADINGS = ("original", "anonymized", "adapted", f"difference x{AMPLIFY}")
TINT = (255, 64, 64)
INK, FAINT, GOOD, BAD = "#1a1a1a", "#777777", "#1a7f37", "#b42318"

Pictures = tuple[np.ndarray, ...]
"""Original, anonymized and adapted image, `(H, W, 3)` uint8 each."""


def sheet(rows: Sequence[Pictures], ensemble: Ensemble) -> bytes:
    """The contact sheet of adapted images, a PNG with one row per image.

    It shows the originals: it is for those who may see them.

    Args:
        rows: original, anonymized and adapted picture of each image, `(H, W, 3)` uint8.
        ensemble: classifiers whose top classes stand under each picture, the first in green where
            it is the one that the classifier finds on the original, else in red.
    """
    logits = [ensemble.logits(images) for images in zip(*rows, strict=True)]
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
            if column == len(logits):  # the difference, which no classifier is asked about
                continue
            line = y + height - words - 2 * GAP + 4
            for c, classifier in enumerate(ensemble.classifiers):
                draw.text((x, line), classifier.name, FAINT, font)
                line += LINE
                reference = int(logits[0][c][r].argmax())
                top = _top_classes(classifier.config, logits[column][c][r], reference)
                for text, colour in top:
                    draw.text((x + 8, line), text[:40], colour, font)
                    line += LINE
        y += height
    out = io.BytesIO()
    canvas.save(out, "png", optimize=True)
    return out.getvalue()


def preview(rows: Sequence[tuple[np.ndarray, Region]]) -> bytes:
    """A PNG of pictures with what is private in them: boxes drawn, what will change tinted.

    It shows the originals: it is for those who may see them.

    Args:
        rows: each picture, `(H, W, 3)` uint8, and its private region.
    """
    tiles = [_marked(picture, region) for picture, region in rows]
    across = min(4, len(tiles))
    down = -(-len(tiles) // across)
    cell = TILE + GAP
    canvas = Image.new("RGB", (GAP + across * cell, GAP + down * (cell + LINE)), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (tile, (_, region)) in enumerate(zip(tiles, rows, strict=True)):
        x, y = GAP + i % across * cell, GAP + i // across * (cell + LINE)
        canvas.paste(tile, (x, y))
        if region.boxes is not None:
            text = counted(len(region.boxes), "region")
            draw.text((x, y + TILE), text, INK if region.boxes else BAD, ImageFont.load_default(12))
    out = io.BytesIO()
    canvas.save(out, "png", optimize=True)
    return out.getvalue()


def _marked(picture: np.ndarray, region: Region) -> Image.Image:
    """A small picture with its private region shown."""
    shown = picture
    if region.mask is not None:
        tint = picture // 2 + np.array(TINT, np.uint8) // 2
        shown = np.where(region.mask[..., None], tint, picture).astype(np.uint8)
    small = _small(shown)
    draw = ImageDraw.Draw(small)
    scale = small.size[0] / picture.shape[1]
    for box in region.boxes or ():
        draw.rectangle([scale * edge for edge in box], outline=BAD, width=2)
    return small


def _pictures(
    original: np.ndarray, anonymized: np.ndarray, adapted: np.ndarray
) -> tuple[np.ndarray, ...]:
    """The pictures of a row, in the order of `HEADINGS`."""
    difference = (adapted.astype(np.int16) - anonymized) * AMPLIFY + 128
    return original, anonymized, adapted, np.clip(difference, 0, 255).astype(np.uint8)


def _small(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    image.thumbnail((TILE, TILE))
    return image


def _top_classes(config: Config, logits: np.ndarray, reference: int) -> list[tuple[str, str]]:
    """Text and colour of a classifier's top classes on one picture.

    Args:
        config: configuration of the classifier.
        logits: `(classes,)`, of the picture.
        reference: the class that the classifier finds on the original.
    """
    scores = logits.astype(np.float64)
    probabilities = softmax(scores)
    lines = []
    for rank, decision in enumerate(np.argsort(-scores)[:TOP]):
        colour = FAINT if rank else GOOD if decision == reference else BAD
        lines.append((f"{probabilities[decision]:.0%} {label(config, int(decision))}", colour))
    return lines
