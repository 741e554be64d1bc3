"""How classifiers and their decisions show in notebooks: HTML for `_repr_html_`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from jaxanon.classifiers.config import Config
from jaxanon.classifiers.labels import names_of
from jaxanon.io.small_jpeg import small_jpeg

MOST = 24
"""Images that are shown at most."""
CELL = "display:inline-block;vertical-align:top;margin:4px;width:232px;font:12px sans-serif"


def card(name: str, config: Config, parameters: int) -> str:
    """A table of what a classifier is: its size, preprocessing, weights and their licence."""
    rows = {
        "classes": f"{config.num_classes}",
        "parameters": f"{parameters / 1e6:.1f} million",
        "input": f"{config.input_size} x {config.input_size} pixels, the centre "
        f"{100 * config.crop_pct:.1f} %, {config.interpolation}",
        "weights": config.origin,
        "licence": config.licence,
    }
    return table(["", name], [[key, value] for key, value in rows.items()])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; all cells are texts.

    Args:
        head: titles of the columns.
        rows: cells of each row.
    """
    lines = [_line("th", head), *(_line("td", row) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def gallery(
    images: Sequence[np.ndarray],
    notes: Sequence[str],
    decisions: Sequence[Sequence[Sequence[int]]],
    classifiers: Sequence[tuple[str, Config]],
) -> str:
    """A grid of images, small, with what each classifier decides on them.

    Args:
        images: uint8 `(H, W, 3)`.
        notes: what stands above each.
        decisions: of each classifier for each image the classes that it decides on.
        classifiers: name and configuration of each.
    """
    cells, columns = [], zip(*decisions, strict=True)
    for image, note, column in zip(images[:MOST], notes, columns, strict=False):
        words = [
            f"{escape(name.partition('.')[0])}: <b>{escape(names_of(config, decision))}</b>"
            for (name, config), decision in zip(classifiers, column, strict=True)
        ]
        picture = f'<img src="data:image/jpeg;base64,{small_jpeg(image)}" alt="{escape(note)}">'
        text = "<br>".join([picture, escape(note), *words])
        cells.append(f'<div style="{CELL}">{text}</div>')
    left = len(images) - MOST
    more = f"<p>and {left} more</p>" if left > 0 else ""
    return f"<div>{''.join(cells)}{more}</div>"


def _line(tag: str, cells: Sequence[str]) -> str:
    inner = "".join(f"<{tag} style='text-align:left'>{escape(cell)}</{tag}>" for cell in cells)
    return f"<tr>{inner}</tr>"
