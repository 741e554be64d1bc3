"""The card of a data set, which hubs show beside it: YAML for programs, Markdown for people.

The form is that of https://huggingface.co/docs/hub/datasets-cards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxanon.display.page.contents import ClassifierRow
from jaxanon.metrics import Interval


@dataclass(frozen=True)
class Card:
    """What the card of a data set says. It names no original, and no place on this machine.

    Attributes:
        header: what programs read, as plain values.
        title: of the data set.
        sentences: what was done.
        rows: one per classifier, sources first.
        statuses: how many images have which status, in words.
        hidden: how the originals were hidden, in words.
        guarantee: what the adaptation can have given away at most; None where nothing is said.
        eps: largest change of a pixel, in 1/255.
        more: further things to know.
        version: of jaxanon.
        settings: names and values, in words.
    """

    header: Mapping[str, Any]
    title: str
    sentences: Sequence[str]
    rows: Sequence[ClassifierRow]
    statuses: str
    hidden: str
    guarantee: str | None
    eps: int
    more: Sequence[str]
    version: str
    settings: str


def render_card(card: Card) -> str:
    """The card as Markdown, with its header of YAML."""
    from huggingface_hub import DatasetCardData
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("jaxanon.display.page", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # it is no HTML
    )
    environment.filters |= {"share": _share, "cell": _cell, "capitalised": _capitalised}
    text = environment.get_template("card.md").render(card=card)
    return f"---\n{DatasetCardData(**card.header).to_yaml()}\n---\n\n{text}\n"


def _share(share: Interval | None) -> str:
    if share is None:
        return "-"
    return f"{100 * share.mean:.1f} ({100 * share.low:.0f}-{100 * share.high:.0f})"


def _capitalised(text: str) -> str:
    """A sentence, beginning as one."""
    return text[:1].upper() + text[1:]


def _cell(text: str) -> str:
    """A text that does not end its cell of a table."""
    return text.replace("|", "\\|")
