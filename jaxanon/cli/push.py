"""`jaxanon push`: what a run has made, as a data set on a hub."""

from __future__ import annotations

import logging
import re
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxanon.errors import ImageError, UsageError
from jaxanon.pipeline.card import CARD
from jaxanon.pipeline.publishing import publishable

FILES = 500
"""Files of one commit."""
THEIRS = frozenset({".gitattributes"})
"""Files that the hub makes itself."""
log = logging.getLogger("jaxanon")


def push(args: Namespace, load: object = None) -> int:
    """Upload the files of a run, and last its card.

    A data set without a card is one that was begun: it is gone on with.

    Raises:
        UsageError: for a folder that may not be published, or a data set that is there already.
        ImageError: when the hub does not take it.
    """
    found = re.fullmatch(r"hf://datasets/([\w.-]+/[\w.-]+)", args.place)
    if found is None:
        raise UsageError(f"{args.place}: give hf://datasets/OWNER/NAME")
    names = publishable(args.folder, untouched=args.untouched)
    from huggingface_hub import HfApi

    api, name = HfApi(), found[1]
    with _explained(f"{api.endpoint}/datasets/{name}"):
        api.create_repo(name, repo_type="dataset", private=not args.public, exist_ok=True)
        private = bool(api.repo_info(name, repo_type="dataset").private)
        if private is args.public:
            state, way = ("private", "leave --public out") if private else ("public", "--public")
            raise UsageError(
                f"{args.place} is there, and {state}; give {way}, or change that on the hub first"
            )
        there = {*api.list_repo_files(name, repo_type="dataset")} - THEIRS
        if (CARD in there or there - {*names}) and not args.overwrite:
            raise UsageError(
                f"{args.place} has {min(there)} already; give --overwrite to replace all its "
                "files, or another name"
            )
        _commit(api, name, args.folder, names, sorted(there - {*names}))
    if not args.quiet:
        print(f"{len(names)} files: {api.endpoint}/datasets/{name}")
    return 0


def _commit(
    api: Any, name: str, folder: Path, names: Sequence[str], strange: Sequence[str]
) -> None:
    """Upload files, so many at once, and the last one alone; first remove what is not among them.

    Args:
        api: the hub.
        name: of the data set.
        folder: where the files lie.
        names: of the files below it.
        strange: files of the data set to be removed.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    data = names[:-1]
    parts = [data[at : at + FILES] for at in range(0, len(data), FILES)] + [names[-1:]]
    removed = [CommitOperationDelete(path_in_repo=each) for each in strange]
    for number, part in enumerate(parts, 1):
        added = [
            CommitOperationAdd(path_in_repo=each, path_or_fileobj=folder / each) for each in part
        ]
        log.info("uploading part %d of %d, %d files", number, len(parts), len(part))
        api.create_commit(
            name,
            [*removed, *added],
            repo_type="dataset",
            commit_message=f"Adapted images, part {number} of {len(parts)}",
        )
        removed = []


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Turn what the hub's library raises into errors that say what is wrong, and the way out."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except UsageError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code
        way = "; 'hf auth login', or HF_TOKEN, says who you are" if status in (401, 403) else ""
        raise ImageError(f"{where}: not uploaded: {str(error).splitlines()[0]}{way}") from error
    except Exception as error:  # the library lets those of its HTTP client through
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ImageError(f"{where}: not uploaded: {why}") from error
