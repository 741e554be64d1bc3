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

OURS = {"ported": "weights, converted", "compiled": "compiled programs"}
"""Folder of the cache -> what is in it. All of it is made again when it is needed."""


def cache(args: Namespace, load: object = None) -> int:
    """Print what the caches take; with `--clear`, remove what is jaxanon's own first.

    Raises:
        ImageError: when it cannot be removed.
    """
    from huggingface_hub import constants

    folders = {user_cache() / name: text for name, text in OURS.items()}
    if args.clear:
        before = sum(map(_bytes_below, folders))
        for folder in folders:
            try:
                shutil.rmtree(folder)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise ImageError(f"{folder}: cannot be removed: {error}") from error
        print(f"removed {decimal(before)}")
    rows = [[text, decimal(_bytes_below(folder)), str(folder)] for folder, text in folders.items()]
    hub = Path(constants.HF_HUB_CACHE)
    rows.append(["weights of the hub", decimal(_bytes_below(hub)), f"{hub} (hf cache clears it)"])
    print(table(["what", "size", "where"], rows))
    return 0


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
