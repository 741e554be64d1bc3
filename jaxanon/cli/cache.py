"""`jaxanon cache`: what is kept between runs, and removing it."""

from __future__ import annotations

import os
import shutil
from argparse import Namespace
from pathlib import Path

from rich.filesize import decimal

from jaxanon.display.tables import table
from jaxanon.errors import ImageError
from jaxanon.runtime.folders import user_cache

MADE = {"ported": "weights, converted", "compiled": "compiled programs"}
"""Folder of the cache -> what is in it. All of it is made again when it is needed."""
PAID = {"answers": "answers of services"}
"""The same of what costs more than time."""


def cache(args: Namespace, load: object = None) -> int:
    """Print what the caches take; with `--clear` or `--clear-answers`, remove that first.

    Raises:
        ImageError: when it cannot be removed.
    """
    from huggingface_hub import constants

    cleared = [*(MADE if args.clear else ()), *(PAID if args.clear_answers else ())]
    if cleared:
        print(f"removed {decimal(sum(_removed(user_cache() / name) for name in cleared))}")
    folders = {text: user_cache() / name for name, text in {**MADE, **PAID}.items()}
    rows = [[text, decimal(_bytes_below(folder)), str(folder)] for text, folder in folders.items()]
    hub = Path(constants.HF_HUB_CACHE)
    rows.append(["weights of the hub", decimal(_bytes_below(hub)), f"{hub} (hf cache clears it)"])
    print(table(["what", "size", "where"], rows))
    return 0


def _removed(folder: Path) -> int:
    """Remove a folder, where it is there; returns the bytes that were in it."""
    before = _bytes_below(folder)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise ImageError(f"{folder}: cannot be removed: {error}") from error
    return before


def _bytes_below(folder: Path) -> int:
    """Bytes of all files below a folder, links not followed; 0 where it is not there."""
    total = 0
    for above, _, names in os.walk(folder):
        for name in names:
            path = Path(above, name)
            try:
                total += 0 if path.is_symlink() else path.stat().st_size
            except OSError:  # removed meanwhile
                continue
    return total
