"""The table of all classifiers as a page: names, default tags, licences, sources.

python scripts/tools/list_classifiers.py docs/classifiers.md
"""

from __future__ import annotations

import sys
from pathlib import Path

from jaxanon.classifiers import registry
from jaxanon.classifiers.families import FAMILIES
from jaxanon.display.tables import table
from jaxanon.io.files import write

HEAD = """# Classifiers

Every architecture that `jaxanon` builds, with its default weights. The tag is pinned: a name
without a tag means the one below, whatever timm's default becomes. Another tag is asked for by its
name (`resnet50.tv_in1k`), weights of one's own by `NAME@PATH` or
`NAME@hf-hub:OWNER/REPOSITORY[@REVISION]`. Tags, preprocessing and licences are those that timm
1.0.31 states for the weights; a `config.json` beside the weights overrides them. `-`: none
published. Parameters are counted with batch norm folded. The list of this installation, and what of
it is cached, is `jaxanon models`.

How near each is to timm's model is in [parity.md](parity.md), how to add one in
[adding-a-classifier.md](adding-a-classifier.md).

"""
COLUMNS = (
    "family", "architecture", "tag", "input", "crop", "filter", "parameters", "licence", "source",
)  # fmt: skip


def page() -> str:
    """The page in Markdown."""
    rows = []
    for family, declared in FAMILIES.items():
        for architecture in declared.variants:
            entry = registry.ENTRIES[architecture]
            config, tag = entry.config, entry.weights.tag
            package = entry.weights.package
            cells = (
                family,
                f"`{architecture}`",
                f"`{tag}`" if tag else "-",
                str(config.input_size),
                f"{config.crop_pct:g}",
                config.interpolation,
                f"{registry.parameters(entry) / 1e6:.1f} M",
                config.licence if tag else "-",
                (f"[hub]({config.origin})" if tag else "-")
                + (f", [PyPI](https://pypi.org/project/{package})" if package else ""),
            )
            rows.append(cells)
    return f"{HEAD}{table(COLUMNS, rows, markdown=True)}\n"


def main(words: list[str]) -> int:
    """Write the page to the file that is named; 2 is wrong usage."""
    if len(words) != 1:
        print(__doc__)
        return 2
    write(Path(words[0]), page().encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
