"""From the contents of a page to its HTML, by Jinja2."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from jaxanon.display.page.contents import Contents


def render(contents: Contents) -> str:
    """The page: one file that needs nothing from elsewhere.

    All values are escaped by the template.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("jaxanon.display.page", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"percent": _percent, "breakable": _breakable, "figure": _figure}
    parts = files("jaxanon.display.page").joinpath("templates")
    return environment.get_template("report.html").render(
        page=contents,
        css=parts.joinpath("report.css").read_text(encoding="utf-8"),
        script=parts.joinpath("report.js").read_text(encoding="utf-8"),
    )


def _breakable(name: str) -> Any:
    """A classifier's name, which may go on in the next line after each of its parts."""
    from markupsafe import Markup, escape

    return Markup(re.sub("([_.])", r"\1<wbr>", str(escape(name))))


def _figure(number: float) -> str:
    """A count as it is, any other number with three digits."""
    return f"{number:,}" if isinstance(number, int) else f"{number:.3g}"


def _percent(share: float) -> str:
    """A share in percent, with one decimal."""
    return f"{100 * share:.1f}"
