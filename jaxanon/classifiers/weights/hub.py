"""Weights from the Hugging Face hub, through its own library and cache.

`HF_HOME`, `HF_TOKEN`, `HF_ENDPOINT` and `HF_HUB_OFFLINE` mean what they mean there. A download
whose connection breaks goes on where it ended; one whose process is killed begins anew. What lies
in the cache is used without asking the hub, so that weights do not change under a user; `fetch`
alone asks for the newest.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from jaxanon.classifiers.weights.checkpoint import (
    CONFIG,
    WEIGHTS,
    files_of,
    joint_digest,
    sha256,
)
from jaxanon.classifiers.weights.sharded import INDEX, weight_map
from jaxanon.errors import WeightsError

PREFIX = "hf-hub:"
log = logging.getLogger(__name__)
PATIENCE = 60.0
"""Seconds in which a hub that could not be reached is not asked again."""
_unreachable: dict[str, float] = {}


class DamagedError(WeightsError):
    """A file in the hub's cache that is not what the hub has."""


class MissingError(WeightsError):
    """Weights that are nowhere to be found."""


@dataclass(frozen=True)
class Repository:
    """A repository of the hub, at a revision.

    Attributes:
        name: `owner/name`.
        revision: a branch, tag or commit.
    """

    name: str
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> Repository:
        """A repository from text of the form `hf-hub:owner/name[@revision]`.

        Raises:
            WeightsError: when the text is not of this form.
        """
        match = re.fullmatch(rf"{PREFIX}([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", text)
        if match is None:
            raise WeightsError(f"{text!r} is not of the form {PREFIX}OWNER/NAME[@REVISION]")
        return cls(match[1], match[2] or "main")

    def __post_init__(self) -> None:
        from huggingface_hub.errors import HFValidationError
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

        try:
            validate_repo_id(self.name)
        except HFValidationError as error:
            raise WeightsError(str(error)) from error


@dataclass(frozen=True)
class Fetched:
    """Files of a repository in the hub's cache.

    Attributes:
        weights: path of the weights file.
        config: path of the `config.json`, or None where the repository has none.
        origin: address of the repository, with the commit.
        whole: whether it is known if there is a `config.json`; other programs fetch the weights
            alone.
    """

    weights: Path
    config: Path | None
    origin: str
    whole: bool = True

    def checked(self) -> str:
        """The digest of the weights, after comparing each file with the hub's, which names it.

        Raises:
            DamagedError: when they differ.
            WeightsError: when an index is unreadable.
        """
        digests = []
        for file in files_of(self.weights):
            found, stored = sha256(file), file.resolve().name
            if re.fullmatch("[0-9a-f]{64}", stored) and stored != found:
                raise DamagedError(
                    f"{file}: damaged: its SHA-256 is {found}, the hub's is {stored}; "
                    "'jaxanon models pull' with the classifier's name fetches it again"
                )
            digests.append(found)
        return joint_digest(digests)


def cached(repository: Repository) -> Fetched | None:
    """A repository's files in the hub's cache, or None; the network is not used."""
    from huggingface_hub import try_to_load_from_cache

    def look(file: str) -> Path | None:
        found = try_to_load_from_cache(repository.name, file, revision=repository.revision)
        return Path(found) if isinstance(found, str) else None

    weights = next(filter(None, map(look, WEIGHTS)), None)
    if weights is None or not all(look(name) for name in _parts(weights)):
        return None
    asked = try_to_load_from_cache(repository.name, CONFIG, revision=repository.revision)
    config = Path(asked) if isinstance(asked, str) else None
    return replace(_fetched(repository, weights, config), whole=asked is not None)


def fetch(repository: Repository, *, again: bool = False) -> Fetched:
    """Download the newest files of a repository, but for those that the cache holds already.

    Args:
        repository: the repository to fetch from.
        again: whether to download even what is in the cache.

    Raises:
        MissingError: naming what was tried and what is cached.
    """
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def get(file: str) -> Path | None:
        try:
            found = hf_hub_download(
                repository.name, file, revision=repository.revision, force_download=again
            )
        except LocalEntryNotFoundError:
            _unreachable[constants.ENDPOINT] = time.monotonic() + PATIENCE
            raise
        except EntryNotFoundError:
            return None
        return Path(found)

    where = f"{constants.ENDPOINT}/{repository.name}"
    cached_there = f"cached in {constants.HF_HUB_CACHE}: {_listing(Path(constants.HF_HUB_CACHE))}"
    if constants.HF_HUB_OFFLINE:
        raise MissingError(f"{where} is not asked, since HF_HUB_OFFLINE is set; {cached_there}")
    if time.monotonic() < _unreachable.get(constants.ENDPOINT, 0):
        raise MissingError(f"{where} could not be reached a moment ago; {cached_there}")
    log.info("fetching %s", where)
    with _explained(repository, where, cached_there):
        config = get(CONFIG)
        weights = next(filter(None, map(get, WEIGHTS)), None)
        missing = [name for name in _parts(weights) if get(name) is None]
    if weights is None:
        raise MissingError(f"{where} has none of {', '.join(WEIGHTS)}")
    if missing:
        raise MissingError(f"{where} lacks {', '.join(missing)}, which its index names")
    return _fetched(repository, weights, config)


@contextmanager
def _explained(repository: Repository, where: str, cached_there: str) -> Iterator[None]:
    """Turn what the library raises into errors that say what is wrong, and the way out."""
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise MissingError(
            f"{where} is gated: ask there for access, and set HF_TOKEN to your token"
        ) from error
    except RevisionNotFoundError as error:
        raise MissingError(f"{where} has no revision {repository.revision!r}") from error
    except RepositoryNotFoundError as error:
        raise MissingError(
            f"{where} does not exist, or is private (then set HF_TOKEN to your token)"
        ) from error
    except Exception as error:  # the library lets those of its HTTP client through
        raise MissingError(
            f"{where} cannot be fetched ({_reason(error)}); {cached_there}"
        ) from error


def _parts(weights: Path | None) -> list[str]:
    """Names of the files that weights consist of besides, where they are an index."""
    if weights is None or not weights.name.endswith(INDEX):
        return []
    return sorted({file.name for file in weight_map(weights).values()})


def _fetched(repository: Repository, weights: Path, config: Path | None) -> Fetched:
    from huggingface_hub import constants

    commit = weights.parent.name  # .../snapshots/COMMIT/model.safetensors
    return Fetched(weights, config, f"{constants.ENDPOINT}/{repository.name}/tree/{commit}")


def _reason(error: BaseException) -> str:
    """The innermost cause of an error, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _listing(cache: Path) -> str:
    found = sorted(
        folder.name.removeprefix("models--").replace("--", "/")
        for folder in cache.glob("models--*")
        if any(folder.glob(f"snapshots/*/{file}") for file in WEIGHTS)
    )
    return ", ".join(found) if found else "nothing"
