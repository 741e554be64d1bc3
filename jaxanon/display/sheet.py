"""The contact sheet: what the images look like, and what each classifier says of them."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.display.labels import label
from jaxanon.metrics import softmax
from jaxanon.regions.region import Region

TILE, GAP, LINE, TOP = 256, 14, 17, 2
AMPLIFY = 8
HEADINGS = ("original", "anonymized", "adapted", f"difference x{AMPLIFY}")
TINT = (255, 64, 64)
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
    by_column = [ensemble.logits(images) for images in zip(*rows, strict=True)]
    heading_font = ImageFont.load_default(15)
    words = len(ensemble.names) * (TOP + 1) * LINE
    strips = [[_small(picture) for picture in _pictures(*row)] for row in rows]
    heights = [max(small.size[1] for small in strip) + words + 2 * GAP for strip in strips]
    canvas = Image.new("RGB", (GAP + 4 * (TILE + GAP), 2 * GAP + LINE + sum(heights)), "white")
    draw = ImageDraw.Draw(canvas)
    for column, heading in enumerate(HEADINGS):
        draw.text((GAP + column * (TILE + GAP), GAP), heading, INK, heading_font)
    y = 2 * GAP + LINE
    for r, (strip, height) in enumerate(zip(strips, heights, strict=True)):
        for column, small in enumerate(strip):
            x = GAP + column * (TILE + GAP)
            canvas.paste(small, (x, y))
            if column < 3:
                below = y + height - words - 2 * GAP + 4
                shown, original = (
                    [logits[r] for logits in by_column[which]] for which in (column, 0)
                )
                _write_decisions(draw, (x, below), ensemble.classifiers, shown, original)
        y += height
    out = io.BytesIO()
    canvas.save(out, "png", optimize=True)
    return out.getvalue()


def preview(rows: Sequence[tuple[np.ndarray, Region]]) -> bytes:
    """A PNG of pictures with what is private in them: boxes drawn, what will change tinted.

    It shows the originals: it is for those who may see them.
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
            text = f"{len(region.boxes)} regions" if len(region.boxes) != 1 else "1 region"
            draw.text((x, y + TILE), text, INK if region.boxes else BAD, ImageFont.load_default(12))
    out = io.BytesIO()
    canvas.save(out, "png", optimize=True)
    return out.getvalue()


def _marked(picture: np.ndarray, region: Region) -> Image.Image:
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
    gap = (adapted.astype(np.int16) - anonymized) * AMPLIFY + 128
    return original, anonymized, adapted, np.clip(gap, 0, 255).astype(np.uint8)


def _small(picture: np.ndarray) -> Image.Image:
    image = Image.fromarray(picture)
    image.thumbnail((TILE, TILE))
    return image


def _write_decisions(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    classifiers: Sequence[Classifier],
    logits: Sequence[np.ndarray],
    original_logits: Sequence[np.ndarray],
) -> None:
    """Write each classifier's name and its top classes with their probabilities.

    Args:
        draw: the canvas.
        place: of the first line, in pixels from the left and the top.
        classifiers: in order.
        logits: per classifier `(classes,)`, on the picture.
        original_logits: per classifier `(classes,)`, on the original.
    """
    font = ImageFont.load_default(12)
    x, y = place
    for classifier, scores, reference in zip(classifiers, logits, original_logits, strict=True):
        draw.text((x, y), classifier.name, FAINT, font)
        y += LINE
        probabilities = softmax(scores.astype(np.float64))
        for rank, decision in enumerate(np.argsort(-scores.astype(np.float64))[:TOP]):
            colour = FAINT if rank else GOOD if decision == reference.argmax() else BAD
            text = f"{probabilities[decision]:.0%} {label(classifier.config, int(decision))}"
            draw.text((x + 8, y), text[:40], colour, font)
            y += LINE
