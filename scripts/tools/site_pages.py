"""Pages of the documentation site that are not files of `docs/`; a hook of MkDocs.

The home page is README.md; CONTRIBUTING.md and CHANGELOG.md are pages too. The reference of the
Python interface lists the public names of `jaxanon`, that of the commands what `--help` prints.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

import jaxanon
from jaxanon.cli import parser

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[2]
PAGES = {
    "index.md": "README.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
}


def top_level(name: str) -> str:
    """A page of the repository's top level, its links as seen from `docs/`."""
    return (ROOT / name).read_text().replace("](docs/", "](").replace("](README.md", "](index.md")


def api() -> str:
    """The reference of the public names: a mkdocstrings block for each."""
    names = [name for name in jaxanon.__all__ if not name.startswith("_")]
    head = "# Python\n\nAll that is public is imported from `jaxanon` itself.\n"
    return head + "".join(f"\n::: jaxanon.{name}\n" for name in names)


def commands() -> str:
    """The reference of the command line: what `--help` prints, command by command."""
    os.environ["COLUMNS"] = "90"  # whatever the terminal's width
    (found,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    return "# Commands\n" + "".join(
        f"\n## jaxanon {name}\n\n```text\n{command.format_help()}```\n"
        for name, command in found.choices.items()
    )


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages before the site is built."""
    from mkdocs.structure.files import File

    texts = {page: top_level(name) for page, name in PAGES.items()}
    for page, text in (texts | {"api.md": api(), "commands.md": commands()}).items():
        files.append(File.generated(config, page, content=text))
    return files
