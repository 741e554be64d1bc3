"""The report as a page: one file of HTML, without scripts or styles from elsewhere."""

from jaxanon.display.page.render import render

__all__ = ["render"]
